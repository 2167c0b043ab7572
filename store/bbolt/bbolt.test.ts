import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BboltError } from "@raft2kube/bbolt/errors.ts";
import { PAGE_BYTES, type TreePage } from "@raft2kube/bbolt/page.ts";
import { openBbolt } from "@raft2kube/bbolt/read.ts";
import { TreeLoader } from "@raft2kube/bbolt/tree-loader.ts";
import { type BboltBucket, bboltFile, bytesOf, layOut } from "@raft2kube/bbolt/write.ts";
import { type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memoryBackend } from "../../testing/store/memory-backend.ts";
import type { BackendPair } from "../backend/backend.ts";
import { fillBackend } from "./fill-backend.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "r2k-bbolt-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const FIXTURES = ["etcd-3.4.db", "etcd-3.6.db"];
const fixture = (name: string) => join(import.meta.dirname, "testdata", name);

function bucketOf(name: string, pairs: BackendPair[]): BboltBucket {
  async function* chunks() {
    for (let at = 0; at < pairs.length; at += 100) yield pairs.slice(at, at + 100);
  }
  return { name, pairs: chunks };
}

async function write(path: string, buckets: BboltBucket[]): Promise<void> {
  const layout = await layOut(buckets);
  const parts: Buffer[] = [];
  for await (const part of bboltFile(buckets, layout)) parts.push(part);
  const bytes = Buffer.concat(parts);
  expect(bytes.length).toBe(bytesOf(layout));
  writeFileSync(path, bytes);
}

/** All that a file holds. */
async function readAll(path: string): Promise<Record<string, BackendPair[]>> {
  const file = await openBbolt(path);
  try {
    const found: Record<string, BackendPair[]> = {};
    for (const name of file.buckets) {
      const pairs: BackendPair[] = [];
      for await (const chunk of file.pairs(name)) pairs.push(...chunk);
      found[name] = pairs;
    }
    return found;
  } finally {
    await file.close();
  }
}

/** Pairs in order: most are small, some longer than a page, some have long keys. */
function randomPairs(random: Random, count: number): BackendPair[] {
  const keys = new Set<string>();
  while (keys.size < count) {
    const length = random.next() < 0.02 ? randomInteger(random, 500, 6000) : 8;
    keys.add(String(randomInteger(random, 0, 2 ** 40)).padStart(length, "k"));
  }
  const sorted = [...keys].map((key) => Buffer.from(key)).sort((a, b) => a.compare(b));
  return sorted.map((key) => {
    const length = randomInteger(random, 0, random.next() < 0.02 ? 20_000 : 200);
    return [key, Buffer.alloc(length, randomInteger(random, 0, 256))];
  });
}

describe("what is written", () => {
  test.each([0, 1, 2, 30, 2_000, 20_000])("is read again: %i pairs", async (count) => {
    const seed = Date.now() % 2 ** 32;
    console.log(`seed ${seed}`);
    const random = seededRandom(seed);
    const buckets = [
      { name: "empty", pairs: [] },
      { name: "many", pairs: randomPairs(random, count) },
      { name: "one", pairs: randomPairs(random, 1) },
    ];
    const path = join(folder, `${count}.db`);
    await write(
      path,
      buckets.map(({ name, pairs }) => bucketOf(name, pairs)),
    );
    const found = await readAll(path);
    expect(Object.keys(found)).toEqual(["empty", "many", "one"]);
    // Compared whole and not one by one, which takes vitest a minute.
    const flat = (pairs: BackendPair[]) => Buffer.concat(pairs.flat());
    for (const { name, pairs } of buckets) {
      expect(found[name]).toHaveLength(pairs.length);
      expect(flat(found[name]!).equals(flat(pairs))).toBe(true);
    }
  });

  test("has no branch with a single child, whatever the number of leaves", () => {
    for (let count = 1; count < 260; count++) {
      const pages: TreePage[] = [];
      const tree = new TreeLoader(
        (span) => pages.length * 100 + span,
        (page) => pages.push(page),
      );
      // A key takes a fifth of a branch's page, a record a leaf's of its own.
      const key = (i: number) => Buffer.from(String(i).padStart(800, "0"));
      for (let i = 0; i < count; i++) tree.add(key(i), Buffer.alloc(PAGE_BYTES - 900));
      tree.finish();
      const branches = pages.filter(({ kind }) => kind === "branch");
      expect(branches.length > 0).toBe(count > 1);
      expect(branches.every(({ elements }) => elements.length >= 2)).toBe(true);
    }
  });
});

describe.each(FIXTURES)("%s, of real etcd", (name) => {
  test("is read: its buckets, records, lease, user", async () => {
    const found = await readAll(fixture(name));
    const common = ["alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease"];
    expect(Object.keys(found)).toEqual([...common, "members", "members_removed", "meta"]);
    expect(found["key"]!.length).toBeGreaterThan(10);
    expect(found["lease"]).toHaveLength(1);
    expect(found["authUsers"]!.map(([key]) => key.toString())).toEqual(["ann"]);
  });

  test("any byte of it changed: its digest differs", async () => {
    const bytes = readFileSync(fixture(name));
    const path = join(folder, "changed.db");
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
    await expect(readAll(path)).rejects.toMatchObject({
      code: "BBOLT_DAMAGED",
      message: expect.stringMatching(/SHA-256/) as string,
      remedy: expect.stringMatching(/snapshot save/) as string,
    });
  });

  test("a digest that is cut short, or followed by more, is not taken for none", async () => {
    const whole = readFileSync(fixture(name));
    const path = join(folder, "cut.db");
    for (const bytes of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.alloc(1)])]) {
      writeFileSync(path, bytes);
      await expect(readAll(path)).rejects.toMatchObject({ code: "BBOLT_DAMAGED" });
    }
  });

  test("without a digest, whatever is damaged gets a typed error or does no harm", async () => {
    const seed = Date.now() % 2 ** 32;
    console.log(`seed ${seed}`);
    const random = seededRandom(seed);
    const whole = readFileSync(fixture(name)).subarray(0, -32);
    const path = join(folder, "fuzzed.db");
    let refused = 0;
    for (let round = 0; round < 500; round++) {
      writeFileSync(path, damage(random, whole));
      const thrown = await importOf(path);
      if (thrown === undefined) continue;
      refused++;
      expect(thrown, `round ${round} of seed ${seed}`).toBeInstanceOf(BboltError);
    }
    expect(refused).toBeGreaterThan(50);
  });
});

/** A few bytes changed where it hurts: in heads of pages and elements, or anywhere. */
function damage(random: Random, whole: Buffer): Buffer {
  const bytes = Buffer.from(whole);
  for (let i = randomInteger(random, 0, 4); i >= 0; i--) {
    const page = randomInteger(random, 2, whole.length / PAGE_BYTES) * PAGE_BYTES;
    const at = random.next() < 0.7 ? page + randomInteger(random, 0, 120) : page;
    const value = random.next() < 0.3 ? 0xff : randomInteger(random, 0, 256);
    bytes[random.next() < 0.2 ? randomInteger(random, 0, whole.length) : at] = value;
  }
  return random.next() < 0.05 ? bytes.subarray(0, randomInteger(random, 0, whole.length)) : bytes;
}

async function importOf(path: string): Promise<unknown> {
  try {
    const file = await openBbolt(path);
    try {
      await fillBackend(path, file, memoryBackend());
    } finally {
      await file.close();
    }
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

describe("a file that is none, or not whole", () => {
  const refusal = async (bytes: Buffer | string) => {
    const path = join(folder, "refused.db");
    writeFileSync(path, bytes);
    return readAll(path).then(
      () => "read",
      ({ code, message }: BboltError) => `${code}: ${message.slice(path.length + 2)}`,
    );
  };
  const whole = () => readFileSync(fixture("etcd-3.6.db")).subarray(0, -32);

  test("is refused by name", async () => {
    expect(await refusal("")).toBe("BBOLT_FORMAT: page 0 is cut short");
    expect(await refusal("x".repeat(9_000))).toBe(
      "BBOLT_FORMAT: page 0 is not one of a bbolt file",
    );
    expect(await refusal(whole().subarray(0, 2 * PAGE_BYTES))).toMatch(
      /^BBOLT_DAMAGED: ends at byte 8192, before its last page, [0-9]+$/,
    );
  });

  test("page 0 lost: page 1 says the same", async () => {
    const bytes = Buffer.from(whole()).fill(0, 0, PAGE_BYTES);
    expect(await refusal(bytes)).toBe("read");
    expect(await refusal(bytes.fill(0, 0, 2 * PAGE_BYTES))).toMatch(/^BBOLT_FORMAT: page 0/);
  });

  test("a page that points back at one above it is found, not followed for ever", async () => {
    const key = (i: number) => Buffer.from(String(i).padStart(8, "0"));
    const pairs = Array.from({ length: 500 }, (_, i): BackendPair => [key(i), Buffer.alloc(100)]);
    const path = join(folder, "loop.db");
    await write(path, [bucketOf("key", pairs), bucketOf("meta", [])]);
    const bytes = readFileSync(path);
    const branch = [...Array(bytes.length / PAGE_BYTES).keys()].find((page) => {
      return page > 2 && bytes.readUInt16LE(page * PAGE_BYTES + 8) === 1;
    })!;
    bytes.writeBigUInt64LE(BigInt(branch), branch * PAGE_BYTES + 16 + 16 + 8);
    expect(await refusal(bytes)).toBe(`BBOLT_DAMAGED: page ${branch} is used twice`);
  });

  test("a page whose elements are all the same bytes: they would be written again and again", async () => {
    const key = (i: number) => Buffer.from(String(i).padStart(8, "0"));
    const pairs = Array.from({ length: 3 }, (_, i): BackendPair => [key(i), Buffer.alloc(1_000)]);
    const path = join(folder, "overlap.db");
    await write(path, [bucketOf("key", pairs), bucketOf("meta", [])]);
    const bytes = readFileSync(path);
    const at = bytes.indexOf(Buffer.concat([key(0), Buffer.alloc(1_000)]));
    const page = Math.floor(at / PAGE_BYTES);
    const last = bytes.indexOf(key(2), at) + 8 + 1_000;
    for (let i = 0; i < 3; i++) {
      const element = page * PAGE_BYTES + 16 + 16 * i;
      const start = element + bytes.readUInt32LE(element + 4);
      bytes.writeUInt32LE(last - start - 8, element + 12);
    }
    expect(await refusal(bytes)).toBe(
      `BBOLT_DAMAGED: page ${page} has elements that overlap, up to 1`,
    );
  });

  test("a bbolt file of another program", async () => {
    const path = join(folder, "other.db");
    await write(path, [bucketOf("things", [])]);
    expect(await importOf(path)).toMatchObject({ code: "BBOLT_FORMAT" });
    truncateSync(path, PAGE_BYTES);
    expect(await importOf(path)).toMatchObject({ code: "BBOLT_DAMAGED" });
  });
});
