exec 3<>"/dev/tcp/$1/$2" 4<&0 || exit
cat <&4 >&3 4<&- & to=$!
cat <&3 4<&- & back=$!
exec 3>&- 4<&- <&-
wait -n
kill $to $back 2>/dev/null
wait
