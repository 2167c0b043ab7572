import { isDeepStrictEqual } from "node:util";
import { parseBody } from "@raft2kube/apimachinery/decode/decode.ts";
import { parseJson } from "@raft2kube/apimachinery/decode/json-document.ts";
import { YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { parseYaml } from "@raft2kube/apimachinery/decode/yaml-document.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { ODDITIES_MAX } from "@raft2kube/apimachinery/limits.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { Target } from "../target.ts";

const BODIES = [
  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {b: 'c'}}\ndata:\n  d: |\n    e\n",
  "a: &a {b: 1}\nc: &c [*a, *a]\nd:\n  <<: *a\n  e: *c\n? f\n: g\n",
  '{"a":[1,-2.5e3,true,null,"\\ud83d\\ude00",9223372036854775807],"a":{"b":{}}}',
  "- !!binary aGk=\n- 0o17\n- 0x1f\n- .inf\n- yes\n- 2026-01-02\n- >-\n  b\n  c\n---\nd\n",
];
const TOKENS = [
  ..."{}[]:,?-|>!&*#%@`'\"\\~",
  ...[
    "? ",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "&a ",
    "*a",
    "*c",
    "<<: ",
    "!!set ",
    "!!omap ",
    "---\n",
  ],
  ...[
    "!!pairs ",
    "!!binary ",
    "!!int ",
    "!b ",
    ".nan",
    "1e999",
    "__proto__: ",
    '"\\ud800"',
    "9".repeat(20),
  ],
];

/** An object as a client sends it, in YAML or in JSON. */
export const yamlBody: Target = {
  name: "yaml-body",
  corpus: async () => BODIES.map((body) => Buffer.from(body)),
  // Most bytes changed at random are text in YAML: characters with a meaning are put in instead.
  seal: (_bytes, random) => Buffer.from(withTokens(pick(random, BODIES), random)),
  async read(bytes) {
    const taken = [parseJson, parseYaml].map((parse) => isTaken(parse, bytes));
    // A body of YAML is read as JSON where that means the same.
    if (taken[1]) {
      const [one, other] = [parseYaml(bytes), await parseBody(YAML_TYPE, bytes)];
      if (!isDeepStrictEqual(one, other)) throw new Error(`${JSON.stringify(other)} is read`);
    }
    return taken.includes(true) ? "taken" : "refused";
  },
};

function withTokens(body: string, random: Random): string {
  let text = body;
  for (let left = randomInteger(random, 1, 6); left > 0; left--) {
    const at = randomInteger(random, 0, text.length + 1);
    text = text.slice(0, at) + pick(random, TOKENS) + text.slice(at);
  }
  return text;
}

function isTaken(parse: typeof parseYaml, bytes: Buffer): boolean {
  try {
    const { value, duplicates } = parse(bytes);
    if (duplicates.length > ODDITIES_MAX) throw new Error("too many keys that stand twice");
    const sent = JSON.stringify(value);
    if (JSON.stringify(parseJson(Buffer.from(sent)).value) !== sent) {
      throw new Error(`${sent} is another value when sent on`);
    }
    return true;
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.http === 400) return false;
    throw thrown;
  }
}
