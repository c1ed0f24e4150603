"""Tars as bytes that go by: `header.py` reads what precedes a body, `stream.py` proves the whole, `edit.py` changes it.

Must not know where the bytes come from, nor where they go.
"""
