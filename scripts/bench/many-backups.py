"""Fills a store with backups that are copies of one manifest: many sidecars, and artifacts that are nothing but their
size. It is for listing only.

usage: many-backups.py MANIFEST STORE COUNT SECTIONS
"""

import datetime
import json
import os
import sys


def main():
    with open(sys.argv[1]) as file:
        manifest = json.loads(file.readline())
    store, count, sections = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    manifest.pop("store", None)
    tables = [section for section in manifest["sections"] if section["kind"] == "table"]
    first, last = manifest["sections"][0], manifest["sections"][-1]
    middle = [dict(tables[at % len(tables)], name=f"{tables[at % len(tables)]['name']}_{at}") for at in range(sections - 2)]
    manifest["sections"] = [first, *middle, last]
    begun = datetime.datetime.fromisoformat(manifest["started_at"]).replace(microsecond=0)
    manifest["verification"] = {"level": "full", "ok": True, "at": begun.isoformat(), "seconds": 1.4, "problems": []}
    os.makedirs(store, mode=0o700, exist_ok=True)
    for number in range(count):
        at = begun - datetime.timedelta(hours=count - number)
        name = f"bench_backup_{at:%Y%m%d_%H%M%S}.sql.gz"
        manifest.update(name=name, started_at=at.isoformat(), finished_at=at.isoformat())
        with open(os.path.join(store, name), "w") as artifact:
            artifact.truncate(manifest["size"])
        with open(os.path.join(store, f"{name}.json"), "w") as sidecar:
            json.dump(manifest, sidecar, ensure_ascii=False, separators=(",", ":"))
            sidecar.write("\n")


main()
