import type { CallOptions, EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type Permission,
  Permission_Type,
  type RequestOp,
} from "@raft2kube/proto/gen/etcd.ts";
import { Watching } from "./watch-fixture.ts";

/**
 * Plays a story about users and permissions on a store. Each line is a step, `WHO does what`, and
 * what came of it; the text that is played back holds the store's own outcomes.
 */
export class AuthCases {
  readonly #client: EtcdClient;
  readonly #tokens = new Map<string, string>([["forger", "nonsense.1"]]);

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  /** Plays every step of `text`; other lines stay as they are. */
  async play(text: string): Promise<string> {
    const played: string[] = [];
    for (const line of text.split("\n")) {
      const step = line.split(" -> ")[0]!.trimEnd();
      const isStep = line !== "" && !line.startsWith("#");
      played.push(isStep ? `${step.padEnd(STEP_COLUMNS)} -> ${await this.#outcome(step)}` : line);
    }
    return played.join("\n");
  }

  async #outcome(step: string): Promise<string> {
    const [user = "", verb = "", ...args] = step.split(/\s+/).map(unquoted);
    const action = ACTIONS[verb];
    if (!action) throw new Error(`no such step: ${step}`);
    try {
      const token = this.#tokens.get(user);
      const options = token === undefined ? {} : { token };
      const said = await action(this.#client, options, args);
      if (verb === "sign-in") this.#tokens.set(user, said);
      return verb === "sign-in" || said === "" ? "ok" : said;
    } catch (thrown) {
      if (!(thrown instanceof EtcdError)) throw thrown;
      return `${thrown.code}: ${thrown.message}`;
    }
  }
}

const STEP_COLUMNS = 58;

type Action = (client: EtcdClient, options: CallOptions, args: string[]) => Promise<string>;

const bytes = (text = "") => Buffer.from(text, "latin1");
const unquoted = (word: string) => (word === '""' ? "" : word.replaceAll("\\0", "\0"));
const printed = (key: Buffer) => key.toString("latin1").replaceAll("\0", "\\0");
const TYPES = ["read", "write", "readwrite"];

function describePermission({ permType, key, rangeEnd }: Permission): string {
  const range = rangeEnd.length > 0 ? `..${printed(rangeEnd)}` : "";
  return `${TYPES[permType]} ${printed(key)}${range}`;
}

/** `put:KEY:VALUE`, `put-lease:KEY:ID`, `put-prev:KEY:VALUE`, `get:KEY`, `del:KEY`. */
function operation(text: string): Init<RequestOp> {
  const [verb, key, value] = text.split(":");
  switch (verb) {
    case "put":
      return { requestPut: { key: bytes(key), value: bytes(value) } };
    case "put-lease":
      return { requestPut: { key: bytes(key), lease: BigInt(value!) } };
    case "put-prev":
      return { requestPut: { key: bytes(key), value: bytes(value), prevKv: true } };
    case "get":
      return { requestRange: { key: bytes(key), rangeEnd: bytes(value) } };
    case "del":
      return { requestDeleteRange: { key: bytes(key) } };
    case "del-prev":
      return { requestDeleteRange: { key: bytes(key), prevKv: true } };
    default:
      throw new Error(`no such operation: ${text}`);
  }
}

/** Words `if=KEY`, `then=OPERATION`, `else=OPERATION`, `nested=OPERATION`, `nested-if=KEY`. */
function txnOf(words: string[]) {
  const of = (name: string) =>
    words.filter((word) => word.startsWith(`${name}=`)).map((word) => word.slice(name.length + 1));
  const compare = (name: string) =>
    of(name).map((key) => ({
      key: bytes(key),
      target: Compare_CompareTarget.VERSION,
      result: Compare_CompareResult.GREATER,
      version: -1,
    }));
  const inner = { compare: compare("nested-if"), success: of("nested").map(operation) };
  const nests = inner.success.length + inner.compare.length > 0;
  return {
    compare: compare("if"),
    success: [...of("then").map(operation), ...(nests ? [{ requestTxn: inner }] : [])],
    failure: of("else").map(operation),
  };
}

const AUTH_ACTIONS: Record<string, Action> = {
  "auth-enable": async ({ auth }, o) => said(await auth.authEnable({}, o)),
  "auth-disable": async ({ auth }, o) => said(await auth.authDisable({}, o)),
  async "auth-status"({ auth }, o) {
    const { enabled, authRevision } = await auth.authStatus({}, o);
    return `enabled ${enabled}, revision ${authRevision}`;
  },
  async "sign-in"({ auth }, _o, [name = "", password = ""]) {
    return (await auth.authenticate({ name, password })).token;
  },
  "user-add": async ({ auth }, o, [name = "", password = ""]) =>
    said(await auth.userAdd({ name, password }, o)),
  "user-add-no-password": async ({ auth }, o, [name = "", password = ""]) =>
    said(await auth.userAdd({ name, password, options: { noPassword: true } }, o)),
  "user-get": async ({ auth }, o, [name = ""]) =>
    `roles: ${(await auth.userGet({ name }, o)).roles.join(" ")}`,
  "user-list": async ({ auth }, o) => `users: ${(await auth.userList({}, o)).users.join(" ")}`,
  "user-delete": async ({ auth }, o, [name = ""]) => said(await auth.userDelete({ name }, o)),
  "user-password": async ({ auth }, o, [name = "", password = ""]) =>
    said(await auth.userChangePassword({ name, password }, o)),
  "user-grant": async ({ auth }, o, [user = "", role = ""]) =>
    said(await auth.userGrantRole({ user, role }, o)),
  "user-revoke": async ({ auth }, o, [name = "", role = ""]) =>
    said(await auth.userRevokeRole({ name, role }, o)),
  "role-add": async ({ auth }, o, [name = ""]) => said(await auth.roleAdd({ name }, o)),
  async "role-get"({ auth }, o, [role = ""]) {
    const { perm } = await auth.roleGet({ role }, o);
    return `permissions: ${perm.map(describePermission).join(", ")}`;
  },
  "role-list": async ({ auth }, o) => `roles: ${(await auth.roleList({}, o)).roles.join(" ")}`,
  "role-delete": async ({ auth }, o, [role = ""]) => said(await auth.roleDelete({ role }, o)),
  async "role-grant"({ auth }, o, [name = "", type = "", key, end]) {
    const permType = TYPES.indexOf(type) as typeof Permission_Type.READ;
    const perm = { permType, key: bytes(key), rangeEnd: bytes(end) };
    return said(await auth.roleGrantPermission(type === "" ? { name } : { name, perm }, o));
  },
  "role-revoke": async ({ auth }, o, [role = "", key, end]) =>
    said(await auth.roleRevokePermission({ role, key: bytes(key), rangeEnd: bytes(end) }, o)),
};

/** Nothing but that it answered: with a header. */
function said({ header }: { header?: unknown }): string {
  return header === undefined ? "no header" : "";
}

const KEY_ACTIONS: Record<string, Action> = {
  async get(client, o, [key, end]) {
    const { kvs } = await client.range({ key: bytes(key), rangeEnd: bytes(end) }, o);
    return `kvs: ${kvs.map((kv) => `${printed(kv.key)}=${printed(kv.value)}`).join(" ")}`;
  },
  async "get-local"(client, o, [key]) {
    const { kvs } = await client.range({ key: bytes(key), serializable: true }, o);
    return `kvs: ${kvs.map((kv) => `${printed(kv.key)}=${printed(kv.value)}`).join(" ")}`;
  },
  put: async (client, o, [key, value]) =>
    said(await client.put({ key: bytes(key), value: bytes(value) }, o)),
  async "put-prev"(client, o, [key, value]) {
    const { prevKv } = await client.put({ key: bytes(key), value: bytes(value), prevKv: true }, o);
    return `before: ${prevKv ? printed(prevKv.value) : "nothing"}`;
  },
  "put-lease": async (client, o, [key, id]) =>
    said(await client.put({ key: bytes(key), lease: BigInt(id!) }, o)),
  async del(client, o, [key, end]) {
    const { deleted } = await client.deleteRange({ key: bytes(key), rangeEnd: bytes(end) }, o);
    return `deleted ${deleted}`;
  },
  async "del-prev"(client, o, [key, end]) {
    const range = { key: bytes(key), rangeEnd: bytes(end), prevKv: true };
    return `deleted ${(await client.deleteRange(range, o)).deleted}`;
  },
  async txn(client, o, words) {
    return `succeeded ${(await client.txn(txnOf(words), o)).succeeded}`;
  },
  async watch(client, { token }, [key, end]) {
    const watching = new Watching(client, { token });
    watching.stream.create({ key: bytes(key), rangeEnd: bytes(end) });
    const { canceled, cancelReason, watchId } = await watching.next();
    await watching.close();
    return canceled ? `canceled ${watchId}: ${cancelReason}` : "watching";
  },
  compact: async (client, o, [revision]) =>
    said(await client.compact({ revision: Number(revision) }, o)),
  async "lease-grant"(client, o, [id]) {
    return `lease ${(await client.leaseGrant({ ID: BigInt(id!), TTL: 100 }, o)).ID}`;
  },
  "lease-revoke": async (client, o, [id]) => said(await client.leaseRevoke({ ID: BigInt(id!) }, o)),
  async "lease-keys"(client, o, [id]) {
    const { keys } = await client.leaseTimeToLive({ ID: BigInt(id!), keys: true }, o);
    return `keys: ${keys.map(printed).join(" ")}`;
  },
  async "lease-keep-alive"(client, o, [id]) {
    return `ttl ${(await client.leaseKeepAlive({ ID: BigInt(id!) }, o)).TTL}`;
  },
  async status(client, o) {
    return (await client.status(o)).version.startsWith("3.") ? "told" : "no version";
  },
  async leases(client, o) {
    const { leases } = await client.leaseLeases(o);
    return `leases: ${leases
      .map(({ ID }) => ID)
      .sort()
      .join(" ")}`;
  },
};

const ACTIONS: Record<string, Action> = { ...AUTH_ACTIONS, ...KEY_ACTIONS };
