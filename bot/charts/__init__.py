"""Pictures and words of how backups went: `trends.py` are the numbers, `chart.py` draws them, `canvas.py` knows Pillow.

Must not know who looks at them.
"""
