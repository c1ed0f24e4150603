#!/bin/sh
# Brings the translations up to date with what the code says: new sentences come in untranslated, old ones go.
set -eu
cd "$(dirname "$0")/.."
template=$(mktemp)
trap 'rm -f "$template"' EXIT
.venv/bin/pybabel -q extract -F deploy/babel.cfg -k say -k later -k say_count:1,2 -k arg -k arg_unless --no-wrap --no-location \
    --project shipkeeper --version "" -o "$template" bot handlers
for written in bot/locale/*/LC_MESSAGES/shipkeeper.po; do
    language=$(basename "$(dirname "$(dirname "$written")")")
    .venv/bin/pybabel -q update -D shipkeeper -l "$language" -i "$template" -o "$written" --no-wrap --no-fuzzy-matching --ignore-obsolete
done
