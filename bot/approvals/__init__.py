"""Second persons: who must agree (`deciding.py`) to what exactly (`binding.py`), and doing without (`breakglass.py`).

Must not know Docker or Slack. The nouns are in `bot/consent.py`, what is kept in `bot/stores/approvals.py`.
"""
