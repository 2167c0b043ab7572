const MAP = "/api/v1/namespaces/default/configmaps";
const NAMED = `${MAP}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Done`;
const NOBODY = `${MAP}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dnone`;
const TOKEN = "base64url.bearer.authorization.k8s.io.";

/** One request for a WebSocket, and what the client does after it. */
export interface Case {
  readonly what: string;
  readonly path: string;
  /** Changes of a good request's headers; undefined removes one. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** The token as it stands among the protocols, by its value; without it in its own header. */
  readonly protocols?: (token: string) => string;
  /** Bytes that the client sends once it is connected: a masked frame, in hex. */
  readonly sends?: string;
  /** The event to wait for: this number of frames, or the end. */
  readonly until: number | "end";
}

const protobuf = { Accept: "application/vnd.kubernetes.protobuf" };
const plain = { Upgrade: undefined, Connection: undefined };
const hidden = (token: string) => `${TOKEN}${Buffer.from(token).toString("base64url")}`;

export const CASES: readonly Case[] = [
  { what: "JSON is text, an event a message", path: NAMED, until: 1 },
  { what: "protobuf is binary, without a length", path: NAMED, headers: protobuf, until: 1 },
  {
    what: "a Table",
    path: NAMED,
    until: 1,
    headers: { Accept: "application/json;as=Table;g=meta.k8s.io;v=v1" },
  },
  { what: "YAML is refused", path: NAMED, headers: { Accept: "application/yaml" }, until: 0 },
  { what: "the time is up", path: `${NOBODY}&timeoutSeconds=1`, until: "end" },
  { what: "one protocol is taken", path: NAMED, headers: protocol("anything"), until: 1 },
  { what: "two protocols", path: NAMED, headers: protocol("a, b"), until: "end" },
  { what: "no origin", path: NAMED, headers: { Origin: undefined }, until: "end" },
  { what: "an origin that is none", path: NAMED, headers: { Origin: "%zz:" }, until: "end" },
  { what: "version 8", path: NAMED, headers: { "Sec-WebSocket-Version": "8" }, until: "end" },
  { what: "no key", path: NAMED, headers: { "Sec-WebSocket-Key": undefined }, until: "end" },
  {
    what: "a token among the protocols",
    path: NAMED,
    until: 1,
    protocols: (token) => `${hidden(token)}, anything`,
  },
  { what: "a token, and no protocol", path: NAMED, protocols: hidden, until: 0 },
  {
    what: "two tokens",
    path: NAMED,
    until: 0,
    protocols: (token) => `${hidden(token)}, ${hidden(token)}, a`,
  },
  { what: "a wrong token", path: NAMED, protocols: () => `${hidden("wrong")}, a`, until: 0 },
  { what: "a token that is no base64", path: NAMED, protocols: () => `${TOKEN}@@, a`, until: 0 },
  {
    what: "a token with padding",
    path: NAMED,
    until: 0,
    protocols: (token) => `${hidden(`${token}xx`)}==, a`,
  },
  {
    what: "a token where no WebSocket is asked for",
    path: NAMED,
    headers: plain,
    until: 0,
    protocols: (token) => `${hidden(token)}, a`,
  },
  { what: "what a client says is not read", path: NOBODY, sends: `8185${mask("hello")}`, until: 0 },
  { what: "a ping is answered", path: NOBODY, sends: `8982${mask("hi")}`, until: 1 },
  { what: "a client closes", path: NOBODY, sends: "88820000000003e8", until: "end" },
  { what: "a list is answered as one", path: `${MAP}?limit=1`, until: 0 },
];

function protocol(value: string): Record<string, string> {
  return { "Sec-WebSocket-Protocol": value };
}

/** A payload as a client must send it: after a mask, here of zeroes. */
function mask(text: string): string {
  return `00000000${Buffer.from(text).toString("hex")}`;
}
