import { expect, it } from "vitest";
import { shareOf, sourceOf } from "./share.ts";
import { idOf, keyOf, parseId } from "./volume-id.ts";

it("an id names server, share and record, and is read as it was written", () => {
  for (const server of ["nfs.example", "10.0.0.1", "[fd00::1]"]) {
    const share = shareOf("parameters", { server, share: "/a//b/" });
    const id = idOf({ share, key: keyOf("v") });
    expect(parseId(id)).toEqual({ share: { ...share, path: "/a/b" }, key: keyOf("v") });
    expect(sourceOf(share, "v")).toBe(`${server}:/a/b/v`);
  }
});

it("an id that would exceed the specification's 128 bytes is refused by its parameters", () => {
  const share = { server: "nfs.example", path: `/${"x".repeat(90)}` };
  expect(() => idOf({ share, key: keyOf("v") })).toThrow("parameters.share");
});

it("any other text is the id of nothing", () => {
  const key = keyOf("v");
  const others = [
    "",
    "#",
    `a#b#${key}`,
    `a#/b#${key}#`,
    `a#/b#${key.slice(1)}`,
    `a#/../b#${key}`,
    `a b#/b#${key}`,
    "a#/b#../../x",
    "__proto__",
  ];
  for (const id of others) expect(parseId(id), id).toBeUndefined();
});
