import { describe, expect, test } from "vitest";
import { accessOf } from "./authorization.ts";
import { parseTarget } from "./request-target.ts";

describe("a request's target", () => {
  test.each<[string, string[]]>([
    ["/", []],
    ["", []],
    ["/exec/ns/pod/c?command=a%2Fb", ["exec", "ns", "pod", "c"]],
    ["//pods//", ["pods"]],
    ["https://node:10250/metrics/resource", ["metrics", "resource"]],
    ["/containerLogs/ns/p%C3%A4/a%20b", ["containerLogs", "ns", "pä", "a b"]],
  ])("%s", (target, segments) => {
    expect(parseTarget(target).segments).toEqual(segments);
  });

  test("the query is decoded", () => {
    expect(parseTarget("/exec/a/b/c?command=%65cho&command=a+b").query.getAll("command")).toEqual([
      "echo",
      "a b",
    ]);
  });

  test.each([
    "/%65xec/ns/pod/c",
    "/e%78ec/ns/pod/c",
    "/ex%65c/ns/pod/c",
    "/pods/%2e%2e/exec/ns/pod/c",
    "/pods/../exec/ns/pod/c",
    "/./exec/ns/pod/c",
    "/pods%2F..%2Fexec/ns/pod/c",
    "/pods\\..\\exec/ns/pod/c",
    "/pods%5cexec",
    "/exec%00/ns",
    "/%",
    "/%zz",
    "/%ff",
    "/%u0065xec",
    "exec/ns/pod/c",
    "*",
  ])("%s is refused, as two readers may differ about it", (target) => {
    expect(() => parseTarget(target)).toThrow(expect.objectContaining({ status: 400 }) as Error);
  });
});

describe("the right that a request needs", () => {
  test.each(["exec", "attach", "portForward", "run"])("%s is never a mere get", (first) => {
    expect(accessOf("GET", [first, "ns", "pod"])).toEqual({
      verb: "create",
      subresources: ["proxy"],
    });
  });

  test.each(["constructor", "toString", "__proto__"])(
    "%s, which every object inherits, names no subresource and no verb",
    (name) => {
      expect(accessOf("GET", [name])).toEqual({ verb: "get", subresources: ["proxy"] });
      expect(accessOf(name, ["pods"]).verb).toBe(name.toLowerCase());
    },
  );
});
