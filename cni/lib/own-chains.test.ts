import { expect, test } from "vitest";
import { chainsInput, hasChains, type OwnChains } from "./own-chains.ts";

const own: OwnChains = {
  table: "filter",
  hooks: { INPUT: "OURS-IN", FORWARD: "OURS" },
  rules: ["-A OURS-IN -p udp -j DROP", "-A OURS -s 10.0.0.0/8 -j DROP", "-A OURS -j RETURN"],
};
const jumps = ["-A INPUT -j OURS-IN", "-A FORWARD -j OURS"];

test("our chains are replaced, and jumps to them added once", () => {
  expect(chainsInput(own, []).split("\n")).toEqual([
    "*filter",
    ":OURS-IN - [0:0]",
    ":OURS - [0:0]",
    ...own.rules,
    ...jumps,
    "COMMIT",
    "",
  ]);
  expect(chainsInput(own, jumps)).not.toContain("-A INPUT");
});

test("chains are whole with their rules alone, in each's order, and the jumps", () => {
  const others = ["-A INPUT -j ACCEPT", "-A OURS-NOT -j DROP"];
  const whole = [...jumps, ...others, ...own.rules];
  expect(hasChains(own, whole)).toBe(true);
  expect(hasChains(own, [...whole, "-A OURS -j ACCEPT"])).toBe(false);
  const [first = "", second = "", third = ""] = own.rules;
  expect(hasChains(own, [...jumps, second, third, first])).toBe(true);
  expect(hasChains(own, [...jumps, first, third, second])).toBe(false);
  expect(hasChains(own, whole.slice(1))).toBe(false);
});
