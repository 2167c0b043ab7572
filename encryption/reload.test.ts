import { FILE_RELOAD_MS } from "@raft2kube/reconcile/limits.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { waitFor } from "../testing/wait.ts";
import { followEncryption } from "./reload.ts";

const KEY = "/registry/secrets/default/s";
const VALUE = Buffer.from("hush");
const SECRETS = { group: "", plural: "secrets" };

const key = (name: string) =>
  `{name: ${name}, secret: ${Buffer.alloc(32, name).toString("base64")}}`;
const config = (...names: string[]) => `
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources: [secrets]
    providers: [{secretbox: {keys: [${names.map(key).join(", ")}]}}]
`;

/** A configuration file, and how often it was read. */
class File {
  reads = 0;
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  readonly read = (): Promise<string> => {
    this.reads++;
    return Promise.resolve(this.text);
  };
}

/** Lets the time pass after which the file is looked at, and waits until it was. */
async function look(file: File, clock: ManualClock): Promise<void> {
  const before = file.reads;
  await waitFor("a look at the file", () => {
    clock.advance(FILE_RELOAD_MS);
    return file.reads > before + 1;
  });
}

it("a key that is put in front is written with, and what the old one wrote is read", async () => {
  const file = new File(config("a"));
  const clock = new ManualClock();
  const following = await followEncryption(file.read, clock);
  const secrets = following.of(SECRETS);
  const old = secrets.encrypt(KEY, VALUE);
  expect(old.toString("latin1")).toMatch(/^k8s:enc:secretbox:v1:a:/);
  file.text = config("b", "a");
  await look(file, clock);
  expect(secrets.encrypt(KEY, VALUE).toString("latin1")).toMatch(/^k8s:enc:secretbox:v1:b:/);
  expect(secrets.decrypt(KEY, old)).toEqual({ value: VALUE, stale: true });
  await following.close();
});

it("one that makes no sense changes nothing, and the next one is read", async () => {
  const file = new File(config("a"));
  const clock = new ManualClock();
  const following = await followEncryption(file.read, clock);
  const secrets = following.of(SECRETS);
  file.text = "kind: Pod";
  await look(file, clock);
  expect([following.reloads.success.count, following.reloads.failure.count]).toEqual([0, 1]);
  expect(secrets.encrypt(KEY, VALUE).toString("latin1")).toMatch(/^k8s:enc:secretbox:v1:a:/);
  file.text = config("c", "a");
  await look(file, clock);
  expect(secrets.encrypt(KEY, VALUE).toString("latin1")).toMatch(/^k8s:enc:secretbox:v1:c:/);
  expect([following.reloads.success.count, following.reloads.failure.count]).toEqual([1, 1]);
  await following.close();
  const { reads } = file;
  clock.advance(FILE_RELOAD_MS);
  expect(file.reads).toBe(reads);
});

it("one that makes no sense at first is refused", async () => {
  const file = new File("kind: Pod");
  await expect(followEncryption(file.read, new ManualClock())).rejects.toThrow(/kind/);
});
