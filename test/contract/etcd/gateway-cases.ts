/** One request to the JSON gateway: a path below /v3/, and the body as it stands in the request. */
export interface GatewayRequest {
  readonly path: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  /** The bodies of these errors differ, as their parsers and routers do: the status counts. */
  readonly looseText?: true;
  /** Why etcd 3.6 answers otherwise than 3.4 and ours. */
  readonly differs36?: string;
  /** Why etcd 3.4 answers otherwise than 3.6 and ours. */
  readonly differs34?: string;
  /** How many lines of a stream to read; all when absent. */
  readonly lines?: number;
}

const post = (path: string, json: unknown, more: Partial<GatewayRequest> = {}) => {
  return { path, body: typeof json === "string" ? json : JSON.stringify(json), ...more };
};

const b64 = (text: string) => Buffer.from(text).toString("base64");
const [a, b, v] = [b64("a"), b64("b"), b64("v")];
/** Base64 and base64url differ for these. */
const odd = Buffer.from([0xfb, 0xff, 0x00]).toString("base64");
const BIG = "9007199254740993";

const LATER_BEARER = "taken since June 2026 (etcd-io/etcd#21910)";
const LAX = "its JSON decoder is another";
const NO_SIGN = "it reads no sign, and no more than eight digits";

/** Requests in their order, for a new and empty store. */
export const CASES: readonly GatewayRequest[] = [
  post("kv/put", { key: a, value: v }),
  post("kv/put", { key: a, value: odd, prev_kv: true }),
  post("kv/put", { key: b, value: v, prevKv: true }),
  post("kv/range", { key: a }),
  post("kv/range", { key: a, range_end: b64("z"), sort_order: "DESCEND", sort_target: "KEY" }),
  post("kv/range", { key: a, rangeEnd: b64("z"), sortOrder: 1, limit: "1", keys_only: true }),
  post("kv/range", { key: a, revision: 2, count_only: true }),
  post("kv/range", { key: a, revision: "99" }),
  post("kv/range", { key: a, noSuchField: { x: [1, { y: null }] } }),
  post("kv/range", { key: a, limit: null, range_end: null }),
  post("kv/range", {}),
  post("kv/range", ""),
  post("kv/range", "null", { looseText: true, differs34: "null is an empty message there" }),
  ...[
    `{"key":"${a}","key":"${b}"}`,
    `{"key":"${a}","range_end":"${b}","rangeEnd":"${b}"}`,
    `{"key":"${a}","limit":"01"}`,
    `{"key":"${a}","limit":"+1"}`,
    `{"key":"${a}","limit":" 1"}`,
    `{"key":"${a}","limit":"1.5"}`,
    `{"key":"${a}","limit":"1e-1"}`,
    `{"key":"+_8="}`,
  ].map((body) => post("kv/range", body, { looseText: true, differs34: LAX })),
  ...["1e0", "1.0", "10e-1", "-0"].map((limit) => {
    return post("kv/range", { key: a, limit }, { differs34: LAX });
  }),
  post("kv/range", `{"key":"${a}"`, { looseText: true }),
  post("kv/range", "{bad", { looseText: true }),
  post("kv/range", "[]", { looseText: true }),
  post("kv/range", { key: 5 }, { looseText: true }),
  post("kv/range", { key: "%%" }, { looseText: true }),
  post(
    "kv/range",
    { key: a, sort_order: "NO" },
    { looseText: true, differs36: "a name that an enum does not have is passed over there" },
  ),
  post("kv/range", { key: a, revision: "x" }, { looseText: true }),
  post("kv/range", { key: a, revision: "9223372036854775808" }, { looseText: true }),
  post("kv/range", { key: a }, { headers: { "grpc-timeout": "x" } }),
  post("kv/range", { key: a }, { headers: { "grpc-timeout": "10S" } }),
  ...["1n", "0S", "-1S", "+10S", "123456789S", ""].map((timeout) => {
    return post(
      "kv/range",
      { key: a },
      { headers: { "grpc-timeout": timeout }, differs34: NO_SIGN },
    );
  }),
  post("/kv/range", { key: a }, { differs34: "Go's router redirects with 301 there" }),
  post("kv/./x/../range", { key: a }, { differs34: "Go's router redirects with 301 there" }),
  post("kv/nothing", {}, { looseText: true }),
  post("kv/range/", {}, { looseText: true }),
  post("kv/range", "", { method: "GET", looseText: true }),
  post("kv/range", {}, { method: "PUT", looseText: true }),
  post("kv/txn", {
    compare: [{ key: a, target: "CREATE", result: "EQUAL", createRevision: "2" }],
    success: [{ requestPut: { key: a, value: v } }, { request_range: { key: a } }],
    failure: [{ request_delete_range: { key: a } }],
  }),
  post("kv/txn", {
    compare: [{ key: b64("none"), target: "VERSION", result: "NOT_EQUAL", version: 0 }],
    success: [{ requestPut: { key: a } }],
    failure: [{ request_txn: { success: [{ request_range: { key: b, count_only: true } }] } }],
  }),
  post("kv/txn", { success: [{ requestPut: { key: a } }, { requestPut: { key: a } }] }),
  post("kv/deleterange", { key: b, prev_kv: true }),
  post("lease/grant", { ID: BIG, TTL: "1000" }),
  post("lease/grant", `{"ID":${BIG},"TTL":1000}`),
  post("kv/put", { key: b, lease: BIG }),
  post("kv/put", { key: b, lease: "8" }),
  post("lease/timetolive", { ID: BIG, keys: true }),
  post("kv/lease/timetolive", { ID: "8" }),
  post("lease/leases", {}),
  post("kv/lease/leases", {}),
  post("lease/keepalive", `{"ID":"${BIG}"}{"ID":"8"}\n`),
  post("lease/keepalive", "", { differs36: "an empty body is one request there" }),
  post("lock/lock", { name: a, lease: BIG }),
  post("lock/lock", { name: a, lease: "8" }),
  post("lock/unlock", { key: b64(`a/${BigInt(BIG).toString(16)}`) }),
  post("lock/unlock", {}),
  post("election/leader", { name: a }),
  post("election/campaign", { name: a, lease: BIG, value: v }),
  post("election/leader", { name: a }),
  post("election/proclaim", { value: v }),
  post("election/proclaim", { leader: { name: a, key: b, rev: "1", lease: BIG }, value: v }),
  post("election/observe", { name: a }, { lines: 1 }),
  post("election/resign", {}),
  post("election/resign", { leader: { name: a, key: b, rev: "1", lease: BIG } }),
  post("lease/revoke", { ID: BIG }),
  post("kv/lease/revoke", { ID: BIG }),
  post("watch", { create_request: { key: a, start_revision: "2", prev_kv: true } }, { lines: 2 }),
  post(
    "watch",
    `{"create_request":{"key":"${a}","watch_id":"7"}} {"cancel_request":{"watch_id":"7"}}`,
    { lines: 2 },
  ),
  post("kv/compaction", { revision: "3" }),
  post("kv/compaction", { revision: "3" }),
  post("watch", { create_request: { key: a, start_revision: 2 } }, { lines: 2 }),
  post("cluster/member/list", {}),
  post("cluster/member/remove", { ID: "1" }),
  post("maintenance/alarm", { action: "GET" }),
  post("maintenance/transfer-leadership", { targetID: "1" }),
  post("maintenance/defragment", {}),
  post("auth/role/add", { name: "r" }),
  post("auth/role/grant", { name: "r", perm: { permType: "READWRITE", key: a } }),
  post("auth/role/get", { role: "r" }),
  post("auth/user/add", { name: "root", password: "pw" }),
  post("auth/user/add", { name: "alice", password: "pw" }),
  post("auth/user/get", { name: "nobody" }),
  post("auth/enable", {}),
  post("auth/user/grant", { user: "root", role: "root" }),
  post("auth/user/grant", { user: "alice", role: "r" }),
  post("auth/user/get", { name: "alice" }),
  post("auth/user/list", {}),
  post("auth/enable", {}),
  post("kv/range", { key: a }),
  post("auth/authenticate", { name: "root", password: "wrong" }),
  post("auth/authenticate", { name: "alice", password: "pw" }),
  post("kv/range", { key: a }, { headers: { authorization: "ALICE" } }),
  post("kv/range", { key: b }, { headers: { authorization: "ALICE" } }),
  post("kv/range", { key: a }, { headers: { "grpc-metadata-token": "ALICE" } }),
  post(
    "kv/range",
    { key: a },
    {
      headers: { authorization: "Bearer ALICE" },
      differs36: LATER_BEARER,
      differs34: LATER_BEARER,
    },
  ),
  post("kv/range", { key: a }, { headers: { authorization: "forged" } }),
  post("auth/user/list", {}, { headers: { authorization: "ALICE" } }),
  post("lock/lock", { name: b }, { headers: { authorization: "ALICE" } }),
  post("lock/lock", { name: b }),
  post("election/leader", { name: b }, { headers: { authorization: "ALICE" } }),
];
