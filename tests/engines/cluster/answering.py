"""One call of a fake program → its answer by rule, written down. It loads in no time, for programs that start a hundred times."""

import json
import re


def answer(folder, name, argv, stdin):
    """→ exit code, output, errors. The latest rule that fits and is not used up is taken; without one, 0 and silence."""
    line = " ".join([name, *argv])
    with open(f"{folder}/calls", "a") as calls:
        calls.write(json.dumps({"line": line, "stdin": stdin}) + "\n")
    with open(f"{folder}/rules") as file:
        rules = json.load(file)
    for rule in rules:
        if rule["times"] and re.search(rule["match"], line):
            rule["times"] -= 1
            with open(f"{folder}/rules", "w") as file:
                json.dump(rules, file)
            return rule["code"], rule["out"], rule["err"]
    return 0, "", ""
