# Starts `dunnage run` with a program that fills the container, kills both when there is a record, as a group kill does, and
# starts it twice more. usage: last_time.sh LAB REPORT_FOLDER
dunnage run --report-dir "$2" -- python3 "$1/apps/flat.py" steady --share 93 --seconds 60 &
while ! grep -aq '"part":"complete"' "$2"/*.jsonl 2>/dev/null; do sleep 0.01; done
read -r application _ <"/proc/$!/task/$!/children"
kill -KILL $! "$application"
wait $! 2>/dev/null
while [ -e "/proc/$application/exe" ]; do sleep 0.01; done
echo killed
dunnage run --report-dir "$2" -- echo "started again"
dunnage run --report-dir "$2" -- echo "started again"
