# Makes the record of a run of cronjob.sh. Reads {from, manifest} for each manifest that a stage has printed, in the
# order of the stages, and {from: "log", message: {stage, level, message, hint}} for each line that one has said. What
# the shell knows comes as arguments; an empty one is not known, and becomes null. Times are RFC 3339 in local time,
# durations seconds, sizes bytes.

def known: if . == "" then null else . end;
def number: known | if . then tonumber else null end;
def seconds: tonumber / 1000;
def cut($letters): if type == "string" and length > $letters then .[:$letters] + "…" else . end;
def total: map(.size // 0) | add // 0;
def distinct: reduce .[] as $one ([]; if index([$one]) then . else . + [$one] end);

[inputs] as $inputs
| def manifests($from): [$inputs[] | select(.from == $from).manifest];
  [$inputs[] | select(.from == "log").message] as $log
| ($exit | tonumber) as $exit

# Why: what the stage that failed has said last as an error, and the hint after it.
| [$log[] | select(.stage == $stage)] as $said
| ([$said | to_entries[] | select(.value.level == "error")] | last) as $error
| ("fwb-" + ($stage | ltrimstr("copy-"))) as $program
| (if $exit == 0 then null else
     ($reason | known)
     // $error.value.message
     // (if $signal != "" then "interrupted by SIG" + $signal else null end)
     // (if $exit > 128 then "\($program) was killed by signal \($exit - 128)" else null end)
     // ([$said[].message | strings | select(test("\\S"))] | last)
     // "\($program) ended with exit code \($exit) and said nothing"
   end) as $reason
| (if $exit == 0 then null else
     ($hint | known)
     // $error.value.hint
     // (if $error then $said[$error.key + 1] | select(.level == "hint").hint else null end)
     // null
   end) as $hint

# Which backup: as the stage knows it that was the last to see it.
| (manifests("verify") + manifests("dump") + if $what == "drill" then manifests("ls") else [] end
   | first // {}) as $backup
# Why the drill was not held: only from what fwb-verify has printed in this run, because the listing may still have the reason of
# an earlier one. fwb-verify goes on from the file to the drill only where the file is proved; else it repeats what it has read.
| (manifests("verify") | first) as $verified
| (if $what == "drill" and $verified.verification.ok then $verified.not_drilled else null end) as $not_drilled
| manifests("prune") as $decided
| [$decided[] | select(.decision.action == "delete")] as $deleted

| {
    schema: "fwb-run/1",
    what: $what,
    at: $at,
    finished_at: $finished_at,
    seconds: ($milliseconds | seconds),
    outcome: (if $exit == 0 then "ok" else "failed" end),
    exit: $exit,
    stage: ($stage | known),
    reason: $reason,
    hint: $hint,
    warnings: ([$log[] | select(.level == "warn" or .level == "error").message | select(. != $reason)] | distinct | .[:20]),

    # The backup that was made, or drilled; null where it did not come to that.
    database: (($database | known) // $backup.database),
    server: (($server | known) // $backup.server.id // $backup.server.address),
    name: $backup.name,
    size: $backup.size,
    raw_size: $backup.raw_size,
    # What was proved of it; and of a drill that was not held, why: what was proved is no more than the file then.
    verification: ($backup.verification | if . then .problems |= (. // [])[:20]
        | if $not_drilled then .not_drilled = $not_drilled else . end
      else null end),

    # The copy of tonight's backup in the second store, and whether it counts as proved there; null where none was made.
    copy: (manifests("copy") | first
        | if . then {store, name, proved: (.whole != false and .verification.ok == true
            and (.verification.level | IN("full", "drill")))} else null end),

    # How long each stage took that was begun.
    stages: ($times | [splits(" +") | select(. != "") | split("=") | {key: .[0], value: (.[1] | seconds)}] | from_entries),

    # What retention has done with the backups of this database and server; null where it had none to decide on.
    deleted: [$deleted[].name],
    freed: ($deleted | total),
    kept: (if $decided == [] then null else ($decided | length) - ($deleted | length) end),

    # What is in the store now, of this database and this server where they are named; null where nobody could look.
    backups: (if $looked == "" then null else manifests("all") | length end),
    backups_size: (if $looked == "" then null else manifests("all") | total end),
    proved: (if $looked == "" then null else manifests("proved") | length end),
    newest_proved_at: (manifests("proved") | last | .started_at),
    free_bytes: ($free | number),

    host: ($host | known),
    version: ($version | known)
  }
| walk(cut(500))
