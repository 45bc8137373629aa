left=$1 script=
shift
while [ "$left" -gt 0 ]; do
    IFS= read -r line || exit 125
    script="$script$line
"
    left=$((left - 1))
done
eval "$script"
