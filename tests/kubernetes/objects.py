"""What tests/kubernetes.rs cannot do itself: read YAML, and hold objects against the schemas of the Kubernetes API.

objects.py json < YAML               prints the objects, one JSON text a line
objects.py validate MINOR... < YAML  prints what is wrong with them for each version; exit 1 if anything is
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

# The Prometheus Operator's kinds are none of Kubernetes' own: those of their fields that we use.
OPERATOR = json.loads(pathlib.Path(__file__).with_name("operator.schema.json").read_text())


class Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, as the API server does; PyYAML takes the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"{node.start_mark}: twice: {', '.join(map(str, twice))}")
        return super().construct_mapping(node, deep)


def validate(objects, versions):
    """Yields the problems. An object of a kind that a version does not know is one."""
    for version in versions:
        for found in objects:
            name = f"{version}: {found.get('kind')}/{found.get('metadata', {}).get('name')}"
            if found.get("apiVersion") == OPERATOR["$comment"]:
                for error in jsonschema.Draft202012Validator(OPERATOR).iter_errors(found):
                    yield f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
                continue
            try:
                kubernetes_validate.validate(found, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name}: {error}"


def main(action, *versions):
    objects = [found for found in yaml.load_all(sys.stdin, Loader) if found is not None]
    if action == "json":
        for found in objects:
            print(json.dumps(found))
        return 0
    problems = list(validate(objects, versions)) if objects and versions else ["nothing to validate"]
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
