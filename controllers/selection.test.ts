import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ALIASES, LEFT_OUT, OFF_BY_DEFAULT } from "./names.ts";
import { CONTROLLERS } from "./registry.ts";
import { selectControllers } from "./selection.ts";

const file = (path: string) => readFileSync(join(import.meta.dirname, "..", path), "utf8");
/** The output of `kube-controller-manager --help` 1.36, compared with the program. */
const recorded = file("test/contract/controllers/recorded/names.txt");
const listed = (title: string) =>
  new RegExp(`^${title}: (.*)$`, "m").exec(recorded)?.[1]?.split(", ") ?? [];
const upstream = listed("All controllers");

/** Controllers that upstream's manager does not have. */
const OUR_OWN = ["networkpolicy-controller"];

test("each controller of upstream's is ours or left out, and none is both", () => {
  expect(upstream.length).toBeGreaterThan(40);
  const known = [...Object.keys(CONTROLLERS), ...Object.keys(LEFT_OUT)];
  expect(known.sort()).toEqual([...upstream, ...OUR_OWN].sort());
});

test("docs/DIVERGENCE.md lists exactly those left out, with their reasons", () => {
  const section = file("docs/DIVERGENCE.md")
    .split("\n## ")
    .find((each) => each.startsWith("Controllers that do not exist"));
  const rows = section?.match(/^\| `\S+` \| .* \|$/gm) ?? [];
  const wanted = Object.entries(LEFT_OUT).map(([name, why]) => `| \`${name}\` | ${why} |`);
  expect(rows).toEqual(wanted.sort());
});

test("off by default are upstream's, and aliases are of controllers that exist", () => {
  const off = listed("Disabled-by-default controllers").filter((name) => name in CONTROLLERS);
  expect([...OFF_BY_DEFAULT].sort()).toEqual(off.sort());
  expect(Object.values(ALIASES).filter((name) => !upstream.includes(name))).toEqual([]);
});

test.each([
  [["*"], { on: ["job-controller"], off: ["token-cleaner-controller"] }],
  [
    ["*", "bootstrapsigner", "tokencleaner"],
    { on: ["bootstrap-signer-controller", "token-cleaner-controller", "ttl-controller"], off: [] },
  ],
  [["*", "-job"], { on: ["cronjob-controller"], off: ["job-controller"] }],
  [["-ttl-controller", "ttl-controller", "*"], { on: ["job-controller"], off: ["ttl-controller"] }],
  [["deployment"], { on: ["deployment-controller"], off: ["replicaset-controller"] }],
  [["*", "-persistentvolume-expander"], { on: ["job-controller"], off: [] }],
])("%j", (selection, { on, off }) => {
  const selected = selectControllers(selection);
  expect(selected).toEqual(expect.arrayContaining(on));
  for (const name of off) expect(selected).not.toContain(name);
});

test.each([
  [["nonsense"], /no controller is named "nonsense"/],
  [["*", "-nonsense"], /no controller is named "nonsense"/],
  [["*", "persistentvolume-expander"], /there is no persistentvolume-expander-controller: upst/],
])("%j is refused", (selection, message) => {
  expect(() => selectControllers(selection)).toThrow(message);
});
