import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, it, test, vi } from "vitest";
import { BACKEND_READ_BYTES, HTML_TAG_BYTES_MAX } from "../../limits.ts";
import { LinkRewriter, linkRewriting } from "./html-links.ts";

const rewrite = (link: string) => (link.startsWith("/") ? `/P${link}` : link);

async function pass(...chunks: (string | Buffer)[]): Promise<string> {
  const input = Readable.from(chunks.map((chunk) => Buffer.from(chunk as string)));
  return (await buffer(input.pipe(new LinkRewriter(rewrite)))).toString("latin1");
}

test.each([
  ["a link", '<a href="/x">/x</a>', '<a href="/P/x">/x</a>'],
  ["in any case and quotes", "<A HREF='/x' Class=y>", "<A HREF='/P/x' Class=y>"],
  ["without quotes", "<img src=/x.png alt=/y/>", "<img src=/P/x.png alt=/y/>"],
  ["spaces around =", '<form action = "/x">', '<form action = "/P/x">'],
  ["several of one tag", '<video poster="/p" src="/v"/>', '<video poster="/P/p" src="/P/v"/>'],
  ["a relative one", '<a href="x/y">', '<a href="x/y">'],
  ["of another tag or name", '<p href="/x"><a title="/x">', '<p href="/x"><a title="/x">'],
  ["a > within a value", '<a title="a>b" href="/x">', '<a title="a>b" href="/P/x">'],
  ["attributes without value", '<a hidden href="/x" wide>', '<a hidden href="/P/x" wide>'],
  ["in a comment", '<!--<a href="/x">--><a href="/y">', '<!--<a href="/x">--><a href="/P/y">'],
  [
    "in what only begins like an end",
    '<style></styles><a href="/x"></style >',
    '<style></styles><a href="/x"></style >',
  ],
  [
    "in a script's text",
    '<script src="/s">"<a href=\'/x\'>"</script><a href="/y">',
    '<script src="/P/s">"<a href=\'/x\'>"</script><a href="/P/y">',
  ],
  [
    "in a title",
    '<title><a href="/x"></TITLE><a href="/y">',
    '<title><a href="/x"></TITLE><a href="/P/y">',
  ],
  [
    "no tag",
    'a < b <3 <> </a> <!doctype html> <a href="/x">',
    'a < b <3 <> </a> <!doctype html> <a href="/P/x">',
  ],
  ["cut short", '<p>a</p><a href="/x', '<p>a</p><a href="/x'],
])("%s", async (_what, page, expected) => {
  expect(await pass(page)).toBe(expected);
  // The same however the network cuts it.
  expect(await pass(...page)).toBe(expected);
});

it("bytes that are no link stay, whatever they are", async () => {
  const seed = Date.now();
  const random = seededRandom(seed);
  const alphabet = [..."<>!-/= \"'ahref\u0000\u00ff\n"];
  for (let round = 0; round < 300; round++) {
    const length = randomInteger(random, 0, 60);
    const page = Buffer.from(
      Array.from({ length }, () => pick(random, alphabet)).join(""),
      "latin1",
    );
    const cut = randomInteger(random, 0, length);
    const input = Readable.from([page.subarray(0, cut), page.subarray(cut)]);
    const out = await buffer(input.pipe(new LinkRewriter((link) => link)));
    expect(out.toString("hex"), `seed ${seed}, round ${round}`).toBe(page.toString("hex"));
  }
});

it("a packed page is rewritten in turns, however much it expands to", async () => {
  const page = '<a href="/x">'.repeat(10_000);
  const headers = { "content-type": "text/html", "content-encoding": "gzip" };
  let [turns, inTurn, mostInTurn] = [0, 0, 0];
  const counted = (link: string) => {
    inTurn++;
    return rewrite(link);
  };
  const turn = () => {
    turns++;
    // Not asserted here: a stream that throws never ends.
    mostInTurn = Math.max(mostInTurn, inTurn);
    inTurn = 0;
    return Promise.resolve();
  };
  const steps = linkRewriting({ headers, statusCode: 200 }, counted, turn)!;
  const packed = Readable.from([gzipSync(page)]);
  const sent = steps.reduce<Readable>((from, step) => from.pipe(step), packed);
  expect(gunzipSync(await buffer(sent)).toString()).toBe(page.replaceAll("/x", "/P/x"));
  expect(turns).toBeGreaterThanOrEqual(page.length / BACKEND_READ_BYTES);
  expect(mostInTurn).toBeLessThanOrEqual(BACKEND_READ_BYTES / '<a href="/x">'.length + 1);
});

it("a tag without end is passed on, and what is kept of it is bounded", async () => {
  const endless = Buffer.alloc(HTML_TAG_BYTES_MAX * 2, "x");
  const rewriter = new LinkRewriter(rewrite);
  rewriter.write("<a href=");
  rewriter.write(endless);
  expect(rewriter.readableLength).toBeGreaterThan(HTML_TAG_BYTES_MAX);
  rewriter.end(' ><a href="/x">');
  expect((await buffer(rewriter)).toString().endsWith('<a href="/P/x">')).toBe(true);
});

it.each([
  ["whole", HTML_TAG_BYTES_MAX * 2],
  ["in pieces", 4],
])(
  "tags within a tag that does not end cost no more than their bytes, %s",
  async (_what, piece) => {
    const page = `${"<a ".repeat(1_500)}b="> ${" ".repeat(HTML_TAG_BYTES_MAX)}`;
    const cut = (at: number) => page.slice(at * piece, (at + 1) * piece);
    const pieces = Array.from({ length: Math.ceil(page.length / piece) }, (_, at) => cut(at));
    const matching = vi.spyOn(RegExp.prototype, "exec");
    try {
      expect(await pass(...pieces)).toBe(page);
      expect(matching.mock.calls.length).toBeLessThan(4 * page.length);
    } finally {
      matching.mockRestore();
    }
  },
);
