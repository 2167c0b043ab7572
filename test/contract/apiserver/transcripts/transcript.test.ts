import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { memberAt } from "./pointer.ts";
import { contains, parseRequest, resolve } from "./request-text.ts";
import { withAnswers } from "./script.ts";
import { formatTranscripts, parseTranscripts, type Step, TranscriptError } from "./transcript.ts";

const usual = { "content-type": "application/json", "cache-control": "no-cache, private" };
const steps: Step[] = [
  {
    request: "GET pods",
    isRecorded: true,
    answer: { status: 200, headers: usual, body: ["a: b", "- c", "----", "\n\n"] },
  },
  { request: 'POST pods\n{"a": null}', isRecorded: false },
  {
    request: "// why\nGET /healthz",
    isRecorded: true,
    answer: { status: 200, headers: { "content-type": "text/plain" }, body: "ok" },
  },
  {
    request: 'PUT a\n"----\\n# x"',
    isRecorded: true,
    answer: { status: 400, headers: { ...usual, allow: "GET" } },
  },
];

it("a transcript is read as it was written", () => {
  const cases = new Map([
    ["one: a", steps],
    ["two", steps.slice(1)],
  ]);
  expect(parseTranscripts(formatTranscripts(cases))).toEqual(cases);
});

it("a request stands above its answer, with usual headers left out", () => {
  const text = formatTranscripts(new Map([["c", steps.slice(3)]]));
  expect(text).toBe('# c\n\nPUT a\n"----\\n# x"\n----\n400\nallow: GET\n');
});

it("a text that is no transcript is refused with its line", () => {
  expect(() => parseTranscripts("GET a\n----\n200\n")).toThrow(TranscriptError);
  expect(() => parseTranscripts("# c\n\nGET a\n----\nfine\n")).toThrow(/line 3/);
});

it("a new step has no answer yet, and gets it in place", () => {
  const [[, written]] = [...parseTranscripts("# c\n\nwait = GET a\n\nGET b\n----\n")] as [
    [string, Step[]],
  ];
  const recorded = withAnswers(written, [{ ask: "GET b", status: 404, headers: usual }]);
  expect(formatTranscripts(new Map([["c", recorded]]))).toBe(
    "# c\n\nwait = GET a\n\nGET b\n----\n404\n",
  );
});

const folder = join(import.meta.dirname, "testdata");
it.each(readdirSync(folder))("%s is written as it was read", (name) => {
  const text = readFileSync(join(folder, name), "utf8");
  expect(formatTranscripts(parseTranscripts(text))).toBe(text);
});

it("a request's text names its headers and its answer", () => {
  const text = "// why\nmade = POST pods?a=b as x/y, z;q=1 with nothing by bob\nlines: 2\n[{}]";
  expect(parseRequest(text)).toEqual({
    name: "made",
    method: "POST",
    path: "pods?a=b",
    until: undefined,
    sent: {
      accept: "x/y, z;q=1",
      type: "",
      lines: 2,
      body: [{}],
      headers: { "impersonate-user": "bob" },
    },
  });
  const waiting = 'GET a\nauthorization: Bearer a b\ncertificate: none\nuntil: {"kind": "Pod"}';
  expect(parseRequest(waiting)).toMatchObject({
    until: { kind: "Pod" },
    sent: { anonymous: true, headers: { authorization: "Bearer a b" } },
  });
  expect(() => parseRequest("GET a b")).toThrow(TranscriptError);
});

it("references are replaced by members of earlier answers", () => {
  const answers = new Map<string, unknown>([
    ["made", { spec: { a: 1, b: 2 }, items: [{ uid: "u" }] }],
    ["token", "h.p.signature"],
  ]);
  const script = {
    "...": "made",
    spec: { "...": "made.spec", b: 3 },
    x: "${made.items.0.uid}!",
    n: "${made.spec.a}",
    t: "${base64:token}",
    d: "${damaged:token}",
    r: "${x*3}",
  };
  expect(resolve(script, answers)).toEqual({
    spec: { a: 1, b: 3 },
    items: [{ uid: "u" }],
    x: "u!",
    n: 1,
    t: Buffer.from("h.p.signature").toString("base64"),
    d: "h.p.sAAAAAAAA",
    r: "xxx",
  });
  expect(() => resolve("${made.metadata.uid}", answers)).toThrow(/made.metadata.uid/);
});

it("a part of an object is replaced or taken away by its pointer", () => {
  const versions = [{ name: "v1" }, { name: "v2" }];
  const answers = new Map([["crd", { spec: { versions, b: 1 } }]]);
  const changed = { "...": "crd", "/spec/versions/1/name": "v3", "/spec/b": null, "/meta/x~1y": 2 };
  expect(resolve(changed, answers)).toEqual({
    spec: { versions: [{ name: "v1" }, { name: "v3" }] },
    meta: { "x/y": 2 },
  });
  const less = { "...": "crd", "/spec/versions/0": null };
  expect(resolve(less, answers)).toEqual({ spec: { versions: [{ name: "v2" }], b: 1 } });
  expect(memberAt(answers.get("crd"), "/spec/versions/[name=v2]")).toEqual({ name: "v2" });
  expect(memberAt(answers.get("crd"), "/status/a")).toBeUndefined();
});

it("an answer contains what an until names, and lacks what it has as null", () => {
  const answer = { status: { conditions: [{ status: "True", reason: "R" }] } };
  expect(contains(answer, { status: { conditions: [{ status: "True" }] } })).toBe(true);
  expect(contains(answer, { status: { conditions: [{ status: "False" }] } })).toBe(false);
  expect(contains(answer, { status: { error: null } })).toBe(true);
  expect(contains(answer, { status: { conditions: null } })).toBe(false);
});
