import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { Cluster } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { type TestMember, TestMembers, urlOf } from "../../testing/store/members.ts";
import { type Store, startStore } from "../main.ts";
import type { StoreOptions } from "../options.ts";
import { parseAuthToken } from "./jwt-options.ts";

const FAST = { bcryptCost: 4 };
const key = Buffer.from("k");
let folder: string;
let stores: Store[] = [];
beforeEach(() => {
  folder = testFolder("r2k-auth-");
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

async function start(options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await startStore({ dataDir: join(folder, "data"), auth: FAST, ...options });
  stores.push(store);
  return store;
}

const root = { name: "root", password: "root-password-in-the-clear" };
const alice = { name: "alice", password: "pw" };

/** Adds users root and alice (may read k), and enables auth. */
async function enableAuth({ auth }: EtcdClient): Promise<void> {
  await auth.userAdd(root);
  await auth.userGrantRole({ user: "root", role: "root" });
  await auth.roleAdd({ name: "reader" });
  const perm = { permType: 0, key, rangeEnd: Buffer.alloc(0) };
  await auth.roleGrantPermission({ name: "reader", perm });
  await auth.userAdd(alice);
  await auth.userGrantRole({ user: "alice", role: "reader" });
  await auth.authEnable({});
}

/** Every file below a folder, with its bytes. */
function* filesOf(path: string): Generator<[string, Buffer]> {
  for (const name of readdirSync(path)) {
    const file = join(path, name);
    if (statSync(file).isDirectory()) yield* filesOf(file);
    else yield [file, readFileSync(file)];
  }
}

test("users and roles survive a restart; passwords are in no file", async () => {
  const first = await start();
  await enableAuth(first.client);
  await first.client.as(root).put({ key, value: Buffer.from("v") });
  const before = await first.client.as(root).auth.authStatus({});
  await stores.pop()!.close();
  for (const [file, content] of filesOf(folder)) {
    expect(content.includes(root.password), file).toBe(false);
  }
  const { client } = await start();
  await expect(client.range({ key })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect((await client.as(alice).range({ key })).kvs[0]!.value.toString()).toBe("v");
  const { enabled, authRevision } = await client.as(root).auth.authStatus({});
  expect({ enabled, authRevision }).toEqual({ enabled: true, authRevision: before.authRevision });
});

test("a rejected sign-in takes as long for an unknown name", async () => {
  const { client } = await start();
  await enableAuth(client);
  const refused: string[] = [];
  const signIn = (name: string) =>
    expect(client.auth.authenticate({ name, password: "wrong" }))
      .rejects.toMatchObject({ code: "INVALID_ARGUMENT" })
      .then(() => refused.push(name));
  // Passwords are compared one after the other: each waits for those before it.
  await Promise.all(["alice", "alice", "nobody", "alice"].map(signIn));
  expect(refused).toEqual(["alice", "alice", "nobody", "alice"]);
});

test("a password's hash is bcrypt's, as etcd writes it, of the cost asked for", async () => {
  const { client } = await start();
  await enableAuth(client);
  await stores.pop()!.close();
  const texts = [...filesOf(folder)].map(([, content]) => content.toString("latin1"));
  expect(texts.find((text) => text.includes("$2a$"))).toMatch(/\$2a\$04\$[./A-Za-z0-9]{53}/);
});

test("a member that was sent a snapshot knows the users in it, and others' tokens", async () => {
  const members = new TestMembers();
  const more = { auth: FAST };
  try {
    const all = await members.startThree(more);
    const [a] = all as [TestMember, ...TestMember[]];
    await enableAuth(a.store!.client);
    const { token } = await a.store!.client.auth.authenticate(root);
    // A joining member has no log, only a snapshot.
    const [d] = (await members.add("d")) as [TestMember];
    const channel = connectGrpc(`http://${a.store!.address}`);
    const added = { peerURLs: [urlOf(d)], isLearner: true };
    await client(channel, Cluster).memberAdd(added, { metadata: { token } });
    channel.close();
    const joined = await members.start(d, [...all, d], more, "existing");
    const local = { key, serializable: true };
    await expect(joined.client.range(local)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const { token: later } = await a.store!.client.auth.authenticate(alice);
    expect((await joined.client.range(local, { token: later })).kvs).toEqual([]);
  } finally {
    await members.stopAll();
  }
});

/** Keys of one pair, as files. */
function makeKeys(name: string): { priv: string; pub: string } {
  const [priv, pub] = [join(folder, `${name}.pem`), join(folder, `${name}.pub`)];
  execFileSync("openssl", ["genrsa", "-out", priv, "2048"], { stdio: "ignore" });
  execFileSync("openssl", ["rsa", "-in", priv, "-pubout", "-out", pub], { stdio: "ignore" });
  return { priv, pub };
}

const seconds = (text: string) => Number(text.replace("s", "")) * 1000;

test("signed tokens hold until users change; others' and unsigned ones never", async () => {
  const { priv, pub } = makeKeys("own");
  const jwt = parseAuthToken(`jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256`, seconds)!;
  const { client } = await start({ auth: { ...FAST, jwt } });
  await enableAuth(client);
  const { token } = await client.auth.authenticate(alice);
  await client.range({ key }, { token });
  const claims = { username: "root", revision: 100 };
  const expired = new SignJWT({ ...claims, exp: 1 }).setProtectedHeader({ alg: "RS256" });
  const forged = [
    new UnsecuredJWT(claims).encode(),
    await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(readFileSync(pub)),
    `${token.slice(0, -4)}AAAA`,
    await expired.sign(jwt.signKey!),
  ];
  for (const bad of forged) {
    await expect(client.range({ key }, { token: bad })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  }
  await client.as(root).auth.roleAdd({ name: "another" });
  await expect(client.range({ key }, { token })).rejects.toMatchObject({
    message: "etcdserver: revision of auth store is old",
  });
  // Its own client signs in again.
  const user = client.as(alice);
  await user.range({ key });
  await client.as(root).auth.roleAdd({ name: "third" });
  await user.range({ key });
});

test("a user's connection leads others to the store as the same user", async () => {
  const { client } = await start({ listenClient: { path: join(folder, "s.sock") } });
  await enableAuth(client);
  const anonymous = connectEtcd(client.connection!);
  await expect(anonymous.range({ key })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  const reader = connectEtcd(client.as(alice).connection!);
  expect((await reader.range({ key })).count).toBe(0);
  await expect(reader.put({ key })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  expect(reader.connection!.user).toEqual(alice);
  for (const each of [anonymous, reader]) await each.close();
  await expect(reader.range({ key })).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a member with the public key alone verifies and does not sign", async () => {
  const { priv, pub } = makeKeys("own");
  const verifier = parseAuthToken(`jwt,pub-key=${pub},sign-method=RS256`, seconds)!;
  const { client } = await start({ auth: { ...FAST, jwt: verifier } });
  await enableAuth(client);
  await expect(client.auth.authenticate(alice)).rejects.toMatchObject({
    message: "auth: token signing attempted with verify-only key",
  });
  const signer = parseAuthToken(`jwt,priv-key=${priv},sign-method=RS256`, seconds)!;
  const revision = 7;
  const claims = new SignJWT({ username: "alice", revision });
  const token = await claims.setProtectedHeader({ alg: "RS256" }).sign(signer.signKey!);
  expect((await client.range({ key }, { token })).kvs).toEqual([]);
});

test("options of tokens that cannot hold are refused by name", () => {
  const { priv } = makeKeys("own");
  const other = makeKeys("other").pub;
  const read = (text: string) => () => parseAuthToken(text, seconds);
  expect(read("simple")()).toBeUndefined();
  expect(read("simple,ttl=5s")).toThrow("simple tokens take no options");
  expect(read("oauth")).toThrow("simple or jwt, got oauth");
  expect(read(`jwt,priv-key=${priv}`)).toThrow('sign-method: got ""');
  expect(read(`jwt,priv-key=${priv},sign-method=none`)).toThrow('sign-method: got "none"');
  expect(read("jwt,sign-method=RS256")).toThrow("needs pub-key or priv-key");
  expect(read(`jwt,priv-key=${priv},pub-key=${other},sign-method=RS256`)).toThrow("do not match");
  expect(read(`jwt,priv-key=${folder}/none,sign-method=RS256`)).toThrow("cannot read a key");
  expect(read(`jwt,priv-key=${priv},priv-key=${priv},sign-method=RS256`)).toThrow("there twice");
  expect(read(`jwt,priv-key=${priv},sign-method=RS256,x=y`)).toThrow("unknown option x");
});

test("a client certificate's common name is its user, where that is asked for", async () => {
  const now_ms = Date.now();
  const days = 1;
  const ca = await createCa({ commonName: "clients", days, now_ms });
  const issue = (commonName: string, usages: ["server"] | ["client"]) =>
    issueCertificate(ca, { commonName, ipAddresses: ["127.0.0.1"], days, usages }, now_ms);
  const server = await issue("server", ["server"]);
  const listenClient = { host: "127.0.0.1", port: 0, tls: { ...server, clientCa: ca.cert } };
  const auth = { ...FAST, clientCertAuth: true };
  const { address, client } = await start({ listenClient, auth });
  expect(client.connection).toBeUndefined();
  await enableAuth(client);
  const connect = async (name: string) => {
    const tls = { ...(await issue(name, ["client"])), ca: ca.cert };
    return connectEtcd({ endpoints: [`https://${address}`], tls });
  };
  const names = ["alice", "root", "nobody"];
  const [byAlice, byRoot, byAnonymous] = await Promise.all(names.map(connect));
  await byRoot!.put({ key });
  expect((await byAlice!.range({ key })).kvs).toHaveLength(1);
  await expect(byAlice!.put({ key })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  await expect(byAnonymous!.range({ key })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  // A token says more than a certificate.
  expect((await byAnonymous!.as(root).put({ key })).header).toBeDefined();
  for (const each of [byAlice, byRoot, byAnonymous]) await each!.close();
});
