import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { CIPHERS } from "@raft2kube/encryption/ciphers.ts";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import { type Provider, valueEncryptionOf } from "@raft2kube/encryption/provider.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { Resource } from "../resource/resource.ts";

const clock = systemClock();
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const key32 = (fill: number) => Buffer.alloc(32, fill);
const KEY = "/registry/secrets/default/s";

it("secretbox opens the box of NaCl's own test", () => {
  const key = hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
  const nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const plain = hex(`
    be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a
    1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057
    e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040
    e082f937763848645e0705`);
  const box = `
    f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4
    476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738
    b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de
    56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`;
  const opened = CIPHERS["secretbox"]!.decrypt(key, Buffer.concat([nonce, hex(box)]), KEY);
  expect(opened.toString("hex")).toBe(plain.toString("hex"));
});

describe.each(Object.entries(CIPHERS))("%s", (type, cipher) => {
  it.each([0, 1, 15, 16, 17, 63, 64, 65, 4_000])("decrypts its own %i bytes", (length) => {
    const plain = randomBytes(length);
    const encrypted = cipher.encrypt(key32(1), plain, KEY);
    expect(cipher.decrypt(key32(1), encrypted, KEY)).toEqual(plain);
    expect(cipher.encrypt(key32(1), plain, KEY)).not.toEqual(encrypted);
  });

  it("refuses truncated values, and another key where the cipher can detect it", () => {
    const encrypted = cipher.encrypt(key32(1), Buffer.from("secret"), KEY);
    expect(() => cipher.decrypt(key32(1), encrypted.subarray(0, 10), KEY)).toThrow(/too short/);
    // CBC has no tag: one wrong key in 256 leaves padding that looks right.
    if (type === "aescbc") return;
    expect(() => cipher.decrypt(key32(2), encrypted, KEY)).toThrow(/decrypt/);
  });
});

it.each(["aesgcm", "secretbox"] as const)(
  "%s keys of one name in two providers: a value is opened by the one that fits",
  (type) => {
    const provider = (fill: number) => ({ type, keys: [{ name: "key1", secret: key32(fill) }] });
    const identity = { type: "identity" } as const;
    const before = valueEncryptionOf([provider(1), identity]);
    const rotated = valueEncryptionOf([provider(2), provider(1), identity]);
    const value = Buffer.from("secret");
    expect(rotated.decrypt(KEY, before.encrypt(KEY, value))).toEqual({ value, stale: true });
    expect(rotated.decrypt(KEY, rotated.encrypt(KEY, value))).toEqual({ value, stale: false });
    const neither = valueEncryptionOf([provider(3), provider(4), identity]);
    expect(() => neither.decrypt(KEY, before.encrypt(KEY, value))).toThrow(/does not decrypt/);
  },
);

it("aesgcm and secretbox refuse a flipped bit, aesgcm a value moved to another key", () => {
  for (const type of ["aesgcm", "secretbox"]) {
    const { encrypt, decrypt } = CIPHERS[type]!;
    const encrypted = encrypt(key32(1), Buffer.from("secret"), KEY);
    encrypted[encrypted.length - 1]! ^= 1;
    expect(() => decrypt(key32(1), encrypted, KEY)).toThrow(/does not decrypt/);
  }
  const { encrypt, decrypt } = CIPHERS["aesgcm"]!;
  const encrypted = encrypt(key32(1), Buffer.from("secret"), KEY);
  expect(() => decrypt(key32(1), encrypted, "/registry/secrets/default/other")).toThrow();
});

const box = (...names: string[]): Provider => ({
  type: "secretbox",
  keys: names.map((name) => ({ name, secret: key32(name.charCodeAt(0)) })),
});
const PLAIN_TEXT: Provider = { type: "identity" };

describe("providers", () => {
  it("write by the first key of the first, under upstream's prefix, and read by all", () => {
    const old = valueEncryptionOf([box("a")]);
    const stored = old.encrypt(KEY, Buffer.from("v"));
    expect(stored.toString("latin1")).toMatch(/^k8s:enc:secretbox:v1:a:/);
    expect(old.decrypt(KEY, stored)).toEqual({ value: Buffer.from("v"), stale: false });
    const rotated = valueEncryptionOf([box("b", "a"), PLAIN_TEXT]);
    expect(rotated.decrypt(KEY, stored)).toEqual({ value: Buffer.from("v"), stale: true });
    const plain = Buffer.from("v");
    expect(rotated.decrypt(KEY, plain)).toEqual({ value: plain, stale: true });
    const fresh = rotated.encrypt(KEY, Buffer.from("v"));
    expect(rotated.decrypt(KEY, fresh).stale).toBe(false);
  });

  it("name what they cannot read, and nothing of what it is", () => {
    const stored = valueEncryptionOf([box("a")]).encrypt(KEY, Buffer.from("hush"));
    const other = valueEncryptionOf([box("b")]);
    const message = `${KEY} is encrypted by k8s:enc:secretbox:v1:a,`;
    expect(() => other.decrypt(KEY, stored)).toThrow(message);
    expect(() => other.decrypt(KEY, Buffer.from("hush"))).toThrow(/stored as it is/);
    expect(() => valueEncryptionOf([PLAIN_TEXT]).decrypt(KEY, stored)).toThrow(/does not have/);
  });
});

const config = (resources: string, providers: string) => `
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources: ${resources}
    providers: ${providers}
`;
const keyOf = (name: string, bytes: number) =>
  `{name: ${name}, secret: ${Buffer.alloc(bytes, 7).toString("base64")}}`;

it("an EncryptionConfiguration says what is encrypted, the first entry first", async () => {
  const text = `${config("[secrets, '*.apps']", `[{secretbox: {keys: [${keyOf("a", 32)}]}}]`)}
  - {resources: ['*.*'], providers: [{aesgcm: {keys: [${keyOf("b", 16)}]}}, {identity: {}}]}`;
  const encryption = await readEncryption(text);
  const prefixOf = (group: string, plural: string) =>
    encryption.of({ group, plural }).encrypt(KEY, Buffer.from("v")).toString("latin1").slice(0, 20);
  expect(prefixOf("", "secrets")).toMatch(/^k8s:enc:secretbox:/);
  expect(prefixOf("apps", "deployments")).toMatch(/^k8s:enc:secretbox:/);
  expect(prefixOf("", "configmaps")).toMatch(/^k8s:enc:aesgcm:/);
  const core = await readEncryption(config("['*.']", "[{identity: {}}]"));
  expect(core.of({ group: "", plural: "pods" }).decrypt(KEY, Buffer.from("v")).stale).toBe(false);
});

it.each([
  [config("[secrets]", "[]"), /resources\[0\].providers: must be a list that is not empty/],
  [config("[]", "[{identity: {}}]"), /resources\[0\].resources: must be a list/],
  [config("[secrets]", "[{rot13: {}}]"), /providers\[0\].rot13: is not a field/],
  [config("[secrets]", "[{kms: {name: k}}]"), /kms.apiVersion: must be v2/],
  [config("[secrets]", `[{aesgcm: {keys: [${keyOf("a", 5)}]}}]`), /of 16, 24, 32 bytes, not of 5/],
  [config("[secrets]", `[{secretbox: {keys: [${keyOf("a", 16)}]}}]`), /of 32 bytes, not of 16/],
  [config("[secrets]", `[{aescbc: {keys: [${keyOf("a", 16)}, ${keyOf("a", 16)}]}}]`), /two items/],
  [config("[secrets]", "[{identity: {}, aescbc: {}}]"), /one provider only/],
  [config("[secrets]", "[{identity: {}}]") + "color: red\n", /color: is not a field/],
  ["kind: Pod\napiVersion: v1\n", /must be EncryptionConfiguration/],
  ["[]", /must be an object/],
])("a wrong configuration is refused by its field (%#)", async (text, why) => {
  await expect(readEncryption(text)).rejects.toThrow(why);
});

describe("objects in an encrypted store", () => {
  const kind = kindOf("", "v1", "Secret")!;
  const dir = suiteFolder("r2k-encrypted-");
  let store: Store;
  const resources: Resource[] = [];

  beforeAll(async () => {
    store = await startStore({ dataDir: join(dir, "data") });
  });
  afterAll(async () => {
    for (const resource of resources) await resource.close();
    await store.close();
  });

  const secrets = (...providers: Provider[]) => {
    const valueEncryption = valueEncryptionOf(providers);
    const resource = new Resource(kind, store.client, clock, { valueEncryption });
    resources.push(resource);
    return resource;
  };
  const secret = (name: string): KubeObject & { data: object } => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "test" },
    data: { password: "aHVzaA==" },
  });
  const stored = async (name: string) => {
    const key = Buffer.from(`/registry/secrets/test/${name}`);
    return (await store.client.range({ key })).kvs[0]!.value.toString("latin1");
  };

  it("nothing of them is readable there; a cache and a list show them", async () => {
    const resource = secrets(box("a"));
    const cache = await resource.cache();
    const made = await resource.store.create(secret("one"));
    expect(await stored("one")).toMatch(/^k8s:enc:secretbox:v1:a:/);
    expect(await stored("one")).not.toContain("aHVzaA");
    await waitFor("the cache", () => cache.get("/registry/secrets/test/one"));
    expect(cache.get("/registry/secrets/test/one")!.object()).toMatchObject(made);
    const other = await secrets(box("a")).cache();
    expect(other.get("/registry/secrets/test/one")!.object()).toMatchObject(secret("one"));
  });

  it("a rewrite that changes nothing is made if the key is not the newest", async () => {
    await secrets(box("a")).store.create(secret("two"));
    const rotated = secrets(box("b", "a"));
    const cache = await rotated.cache();
    const cached = cache.get("/registry/secrets/test/two");
    const same = (current: KubeObject | undefined) => ({ do: "write", object: current! }) as const;
    const first = await rotated.store.change("test", "two", same, { cached });
    expect(await stored("two")).toMatch(/^k8s:enc:secretbox:v1:b:/);
    expect(Number(first.object.metadata.resourceVersion)).toBeGreaterThan(cached!.revision);
    const second = await rotated.store.change("test", "two", same);
    expect(second.object.metadata.resourceVersion).toBe(first.object.metadata.resourceVersion);
  });

  it("one that no key opens is left out of the cache, and named when asked for", async () => {
    await secrets(box("z")).store.create(secret("lost"));
    const resource = secrets(box("a", "b"));
    const cache = await resource.cache();
    expect(cache.get("/registry/secrets/test/lost")).toBeUndefined();
    expect(cache.get("/registry/secrets/test/one")).toBeDefined();
    await expect(resource.store.get("test", "lost")).rejects.toThrow(/secretbox:v1:z/);
  });
});
