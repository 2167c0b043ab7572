import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { parseJson } from "@raft2kube/apimachinery/decode/json-document.ts";
import { parseYaml } from "@raft2kube/apimachinery/decode/yaml-document.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { describe, expect, it } from "vitest";
import { negotiate } from "../request/negotiate.ts";
import { parseRequestInfo } from "../request/request-info.ts";

const bytes = (text: string) => Buffer.from(text);

describe("JSON bodies", () => {
  it("finds keys that stand twice, with their paths", () => {
    const { duplicates, value } = parseJson(
      bytes(`{"a":1,"spec":{"x":1,"list":[{"y":1,"y":2}],"x":2},"a":3}`),
    );
    expect(duplicates).toEqual(
      ["spec.list[0].y", "spec.x", "a"].map((path) => `duplicate field "${path}"`),
    );
    expect(value).toMatchObject({ a: 3, spec: { x: 2 } });
  });

  it.each([
    ["nesting without end", "[".repeat(10_000) + "]".repeat(10_000), /nested deeper/],
    ["cut text", `{"a":`, /json parse error/],
    ["nothing", " ", /unexpected end of JSON input/],
    ["trailing text", `{} {}`, /json parse error/],
  ])("refuses %s", (_what, text, message) => {
    expect(() => parseJson(bytes(text))).toThrow(message);
  });

  it("keeps each digit of integers of 64 bits, and larger ones as Go's float64", () => {
    const text = `{"a":9223372036854775807,"b":[-9007199254740993],"c":9223372036854775808}`;
    const { value } = parseJson(bytes(text));
    expect(value).toEqual({ a: 2n ** 63n - 1n, b: [-(2n ** 53n) - 1n], c: 2 ** 63 });
    expect(JSON.stringify(value).replace("9223372036854776000", "9223372036854775808")).toBe(text);
    expect(parseYaml(bytes("a: 9223372036854775807\n")).value).toEqual({ a: 2n ** 63n - 1n });
  });

  it("a typed field refuses an integer that it cannot hold", () => {
    const pod = (field: string) => ({ spec: { containers: [], [field]: 2n ** 53n + 1n } });
    expect(() => decodeJson("core/v1.Pod", pod("activeDeadlineSeconds"))).toThrow(/above 2\^53/);
    expect(() => decodeJson("core/v1.Pod", pod("priority"))).toThrow(/of type int32/);
    expect(() => decodeJson("core/v1.Pod", pod("nodeName"))).toThrow(/of type string/);
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
  });

  it("takes large fractions, escapes and numbers inside strings as they are", () => {
    const text = `{"a":1.5e300,"b":"9007199254740993 \\" { [","c":-0.5}`;
    const b = `9007199254740993 " { [`;
    expect(parseJson(bytes(text)).value).toEqual({ a: 1.5e300, b, c: -0.5 });
  });
});

it("names a hundred keys that stand twice, by the beginning of their paths", () => {
  const long = "k".repeat(400_000);
  const json = `{"${long}":{${'"a":1,'.repeat(20_000)}"b":1}}`;
  const { duplicates } = parseJson(bytes(json));
  expect(duplicates).toHaveLength(100);
  expect(duplicates[99]!.length).toBeLessThan(2_000);
  const yaml = parseYaml(bytes(`${"a: 1\n".repeat(200)}`));
  expect(yaml.duplicates).toHaveLength(100);
});

describe("YAML bodies", () => {
  it("reads what kubectl users write", () => {
    expect(parseYaml(bytes("a: 1\nb: [x, 'y']\nc:\n  d: true\n")).value).toEqual({
      a: 1,
      b: ["x", "y"],
      c: { d: true },
    });
  });

  it("finds keys that stand twice", () => {
    const { duplicates } = parseYaml(bytes("a: 1\nb:\n  c: 1\n  c: 2\n"));
    expect(duplicates).toEqual([`line 4: key "c" already set in map`]);
  });

  it("refuses aliases that grow without end", () => {
    const lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"];
    for (let i = 1; i < 9; i++) {
      const previous = `*a${i - 1}`;
      lines.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => previous).join(",")}]`);
    }
    expect(() => parseYaml(bytes(lines.join("\n")))).toThrow(/alias/i);
  });

  it.each([
    "[".repeat(10_000) + "]".repeat(10_000),
    "{a: ".repeat(10_000) + "1" + "}".repeat(10_000),
    `${"- ".repeat(10_000)}x`,
  ])("refuses nesting without end: %.8s", (text) => {
    expect(() => parseYaml(bytes(text))).toThrow(expect.objectContaining({ http: 400 }) as Error);
  });

  // The text of such a key takes time that doubles with each level.
  it.each([
    ["maps", `${"{? ".repeat(60)}a${" : 1}".repeat(60)}`],
    ["lists", `? ${"[".repeat(150)}${"]".repeat(150)}\n: 1\n`],
    ["an alias of a list", "a: &a [1]\n? *a\n: 1\n"],
  ])("refuses keys that are %s", (_what, text) => {
    const refusal = { http: 400, message: expect.stringMatching(/is the key of a map/) as string };
    expect(() => parseYaml(bytes(text))).toThrow(expect.objectContaining(refusal) as Error);
  });

  // Upstream's decoder knows none of these types, which hid their keys from this check.
  it.each(["!!pairs [? {? [a] : 1} : 1]", "!!omap [? [a] : 1]", "!!set {? [a]}"])(
    "refuses such keys in other types of YAML 1.1: %s",
    (text) => {
      expect(() => parseYaml(bytes(text))).toThrow(/is the key of a map/);
    },
  );

  it.each([
    ["merges what is no map", "<<: 1\n", /Merge sources/],
    ["contains itself", "a: &a [*a]\n", /'a' value contains itself/],
    ["refers to nothing", "a: *b\n", /unknown anchor 'b'/],
    ["merges itself", "a: &a {<<: *a}\n", /'a' value contains itself/],
    ["has many aliases of keys", `x: &a b\n${"*a : 1\n".repeat(500)}`, /excessive aliasing/],
    ["has an alias for each anchor", "- &a b\n- *a\n".repeat(200), /excessive aliasing/],
    ["repeats a long text", `- &a ${"x".repeat(50_000)}\n${"- *a\n".repeat(50)}`, /excessive/],
    ["merges within merges", `${"{<<: ".repeat(8)}{a: 1}${"}".repeat(8)}`, undefined],
    [
      "merges large maps within merges",
      `${"{<<: ".repeat(60)}{${"a".repeat(50_000)}: 1}${"}".repeat(60)}`,
      /excessive/,
    ],
  ])("a body that %s is refused, or is small", (_what, text, message) => {
    if (message === undefined) expect(parseYaml(bytes(text)).value).toEqual({ a: 1 });
    else
      expect(() => parseYaml(bytes(text))).toThrow(
        expect.objectContaining({
          http: 400,
          message: expect.stringMatching(message) as string,
        }) as Error,
      );
  });

  // Each of the errors would take the time of the whole line.
  it("refuses a line of 150,000 errors", () => {
    expect(() => parseYaml(bytes("!a ".repeat(150_000)))).toThrow(/MULTIPLE_TAGS/);
  });

  it("reads types of YAML 1.1 as Go's decoder does", () => {
    const { value } = parseYaml(bytes("a: !!binary aGk=\nb: !!set {c}\nd: !!omap [e: 1]\n"));
    expect(value).toEqual({ a: "hi", b: { c: null }, d: [{ e: 1 }] });
  });

  it("reads keys that are aliases of texts, numbers, or nothing", () => {
    const { value } = parseYaml(bytes("a: &a b\n*a : 1\n2: 3\n? \n: 4\n"));
    expect(value).toEqual({ a: "b", b: 1, 2: 3, "": 4 });
  });

  // As kube-apiserver 1.36 answered them for a volume's mode.
  it.each([
    ["0644", 420],
    ["0o644", 420],
    ["-0o17", -15],
    ["0x1A4", 420],
    ["0b110100100", 420],
    ["4_20", 420],
    ["4.2e2", 420],
    ["0888", 888],
    ["'0644'", "0644"],
    ["7:00", "7:00"],
    ["2026-01-02", "2026-01-02"],
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"],
    ["yes", true],
    ["off", false],
    ["~", null],
  ])("%s is what Go's decoder makes of it", (text, value) => {
    expect(parseYaml(bytes(`a: ${text}\n`)).value).toEqual({ a: value });
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(() => parseYaml(Buffer.from([0x61, 0x3a, 0x20, 0xff]))).toThrow(/UTF-8/);
  });

  it("takes the first of several documents", () => {
    expect(parseYaml(bytes("a: 1\n---\nb: 2\n")).value).toEqual({ a: 1 });
  });

  it("refuses a broken one", () => {
    const broken = () => parseYaml(bytes("a: [1\n"));
    expect(broken).toThrow(expect.objectContaining({ http: 400 }) as Error);
  });
});

describe("paths", () => {
  const info = (method: string, target: string) => {
    const url = new URL(target, "https://x");
    return parseRequestInfo(method, target.split("?")[0]!, url.searchParams);
  };

  it.each([
    ["GET", "/api/v1/namespaces", { verb: "list", resource: "namespaces", namespace: "" }],
    ["GET", "/api/v1/namespaces/a", { verb: "get", name: "a", namespace: "a" }],
    ["PUT", "/api/v1/namespaces/a/finalize", { resource: "namespaces", subresource: "finalize" }],
    ["GET", "/api/v1/namespaces/a/pods", { verb: "list", resource: "pods", namespace: "a" }],
    ["GET", "/api/v1/pods?watch=1", { verb: "watch", resource: "pods" }],
    ["GET", "/api/v1/watch/pods", { verb: "watch", resource: "pods" }],
    ["DELETE", "/apis/apps/v1/namespaces/a/deployments", { verb: "deletecollection" }],
    ["PATCH", "/apis/apps/v1/namespaces/a/deployments/x/scale", { group: "apps", verb: "patch" }],
    ["GET", "/api/v1/namespaces/a/pods/p/proxy/x/y", { subresource: "proxy", rest: ["x", "y"] }],
    ["GET", "/api/v1/pods?fieldSelector=metadata.name%3Dx", { verb: "list", name: "x" }],
    ["GET", "/healthz", { resourceRequest: false, verb: "get" }],
    ["GET", "/apis/apps/v1", { resourceRequest: false }],
  ])("%s %s", (method, target, expected) => {
    expect(info(method, target)).toMatchObject(expected);
  });

  it.each(["/api/v1/namespaces/../secrets/x", "/api/v1/namespaces/a%2Fb/pods"])(
    "%s is refused",
    (path) => {
      expect(() => info("GET", path)).toThrow(ApiError);
    },
  );

  it("a malformed escape is no path", () => {
    expect(() => info("GET", "/api/v1/pods/%zz")).toThrow(URIError);
  });

  it("two slashes have a nameless segment between them", () => {
    expect(info("GET", "/api/v1//namespaces")).toMatchObject({ resource: "", name: "namespaces" });
    const everywhere = { namespace: "", resource: "configmaps", verb: "list" };
    expect(info("GET", "/api/v1/namespaces//configmaps")).toMatchObject(everywhere);
    expect(info("GET", "//api/v1/pods//")).toMatchObject({ resource: "pods", verb: "list" });
  });
});

describe("what clients accept", () => {
  const offer = { protobuf: true, transforms: true };
  const picked = (accept: string) => negotiate(accept, new URLSearchParams(), offer);

  it("kubectl's tables", () => {
    expect(
      picked("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").transform,
    ).toEqual({ as: "Table", version: "v1" });
  });

  it("anything, or nothing said, is JSON", () => {
    expect(picked("*/*").type).toBe("application/json");
    expect(picked("").type).toBe("application/json");
  });

  it("the first that can be served", () => {
    expect(picked("text/html, application/yaml;q=0.9, application/json;q=0.5").type).toBe(
      "application/yaml",
    );
    expect(picked("application/vnd.kubernetes.protobuf,application/json").type).toBe(
      "application/vnd.kubernetes.protobuf",
    );
  });

  it("an unknown type is a 406", () => {
    expect(() => picked("text/html")).toThrow(expect.objectContaining({ http: 406 }) as Error);
  });
});
