import type { HeaderField } from "./hpack/static-table.ts";

/** The head of a request (RFC 9113, section 8.3.1). */
export interface RequestHead {
  readonly method: string;
  readonly scheme: string;
  readonly path: string;
  readonly authority: string;
  /** All but the pseudo-fields, in their order. Values are bytes in latin1. */
  readonly fields: readonly HeaderField[];
  readonly contentLength: number | undefined;
  /** The list was larger than HEADER_LIST_BYTES_MAX; nothing of it is here. */
  readonly tooLarge: boolean;
  /** Why it is malformed; a malformed request is never answered. */
  readonly problem: string | undefined;
}

const EMPTY: RequestHead = {
  method: "",
  scheme: "",
  path: "",
  authority: "",
  fields: [],
  contentLength: undefined,
  tooLarge: false,
  problem: undefined,
};

const PSEUDO: Readonly<Record<string, "method" | "scheme" | "path" | "authority">> = {
  ":method": "method",
  ":scheme": "scheme",
  ":path": "path",
  ":authority": "authority",
};

/** Section 8.2.2: they speak of a connection, which HTTP/2 does itself. */
const CONNECTION_FIELDS = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

// Section 8.2.1. Any other byte is the application's affair.
const NAME = /^[!-9;-@[-~]+$/;
const VALUE = /^(?![ \t])[^\0\r\n]*(?<![ \t])$/;

/** Checks and sorts the fields of a request; without fields the list was too large. */
export function requestHead(list: readonly HeaderField[] | undefined): RequestHead {
  if (!list) return { ...EMPTY, tooLarge: true };
  const head = { ...EMPTY };
  const fields: HeaderField[] = [];
  const seen = new Set<string>();
  const malformed = (problem: string) => ({ ...EMPTY, problem });
  for (const field of list) {
    const [name, value] = field;
    if (!name.startsWith(":")) {
      const problem = problemOf(field);
      if (problem !== undefined) return malformed(problem);
      if (name === "content-length") head.contentLength = Number(value);
      fields.push(field);
      continue;
    }
    const key = PSEUDO[name];
    if (!key) return malformed(`unknown pseudo-field ${name}`);
    if (fields.length > 0) return malformed(`${name} behind an ordinary field`);
    if (seen.has(name)) return malformed(`${name} twice`);
    if (!VALUE.test(value)) return malformed(`an invalid ${name}`);
    seen.add(name);
    head[key] = value;
  }
  for (const key of ["method", "scheme", "path"] as const) {
    if (head[key] === "") return malformed(`no :${key}`);
  }
  return { ...head, fields };
}

/** Returns the error of trailers (section 8.1). */
export function trailersProblem(list: readonly HeaderField[]): string | undefined {
  for (const field of list) {
    const problem = field[0].startsWith(":") ? "a pseudo-field in trailers" : problemOf(field);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOf([name, value]: HeaderField): string | undefined {
  if (!NAME.test(name)) return "an invalid field name";
  if (!VALUE.test(value)) return `an invalid value of ${name}`;
  if (CONNECTION_FIELDS.has(name)) return `${name} is not for HTTP/2`;
  if (name === "te" && value !== "trailers") return "te other than trailers";
  if (name === "content-length" && !/^[0-9]{1,15}$/.test(value)) return "an invalid content-length";
  return undefined;
}
