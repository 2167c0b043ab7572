import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../errors/api-error.ts";
import { badRequest } from "../errors/catalog.ts";
import { JSON_PATCH_COPIES_BYTES_MAX, JSON_PATCH_OPERATIONS_MAX } from "../limits.ts";
import { isObject, type Json, type JsonObject, notUnmarshalled, setMember } from "./merge.ts";

interface Operation {
  op: string;
  path: string;
  from: string | undefined;
  value: Json;
}

/** The operations of a JSON patch (RFC 6902). Throws 400 on what is none, 413 on too many. */
export function readJsonPatch(value: Json): Operation[] {
  if (!Array.isArray(value)) {
    const complaint = notUnmarshalled(value, "[]handlers.jsonPatchOp");
    throw badRequest(`error decoding patch: ${complaint}`);
  }
  if (value.length > JSON_PATCH_OPERATIONS_MAX) {
    throw new ApiError({
      code: 413,
      reason: "RequestEntityTooLarge",
      message:
        `The allowed maximum operations in a JSON patch is ${JSON_PATCH_OPERATIONS_MAX}, ` +
        `got ${value.length}`,
    });
  }
  return value.map((each: Json) => {
    if (!isObject(each)) {
      const complaint = notUnmarshalled(each, "handlers.jsonPatchOp");
      throw badRequest(`error decoding patch: ${complaint}`);
    }
    // What is no text is as if it were not there: the operation is then one that does not fit.
    const text = (name: string) => (typeof each[name] === "string" ? each[name] : undefined);
    const { value: given } = each;
    return { op: text("op") ?? "", path: text("path") ?? "none", from: text("from"), value: given };
  });
}

/** Applies the operations to a copy of `document`. Throws 422 when one does not fit it. */
export function applyJsonPatch(document: Json, operations: readonly Operation[]): Json {
  const root = { document: structuredClone(document), copied_bytes: 0 };
  for (const operation of operations) applyOperation(root, operation);
  return root.document;
}

interface Root {
  document: Json;
  /** What copies have added so far: a few that double the document would take all memory. */
  copied_bytes: number;
}

/** Upstream does not tell clients which operation it was, nor why. */
function unfit(): ApiError {
  return new ApiError({
    code: 422,
    reason: "Invalid",
    message: "the server rejected our request due to an error in our request",
    details: {},
  });
}

function applyOperation(root: Root, operation: Operation): void {
  const { op, path, value } = operation;
  switch (op) {
    case "add":
      return put(root, path, structuredClone(value), true);
    case "replace":
      // Upstream's library takes a member that is not there yet.
      return put(root, path, structuredClone(value), false);
    case "remove":
      return void remove(root, path);
    case "move":
      return put(root, path, remove(root, sourceOf(operation)), true);
    case "copy":
      return put(root, path, copy(root, sourceOf(operation)), true);
    case "test":
      if (isDeepStrictEqual(readOrUndefined(root, path), value)) return;
      throw unfit();
    default:
      throw unfit();
  }
}

function copy(root: Root, from: string): Json {
  const text = JSON.stringify(read(root, from));
  root.copied_bytes += Buffer.byteLength(text);
  if (root.copied_bytes > JSON_PATCH_COPIES_BYTES_MAX) throw unfit();
  return JSON.parse(text) as Json;
}

function sourceOf(operation: Operation): string {
  if (operation.from === undefined) throw unfit();
  return operation.from;
}

/** The tokens of a JSON pointer (RFC 6901). */
function tokensOf(path: string): string[] {
  if (path === "") return [];
  if (!path.startsWith("/")) throw unfit();
  return path
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function step(holder: Json, token: string): Json {
  const found = stepOrUndefined(holder, token);
  if (found === undefined) throw unfit();
  return found;
}

function stepOrUndefined(holder: Json, token: string): Json {
  if (Array.isArray(holder)) {
    return /^\d+$/.test(token) ? (holder[Number(token)] as Json) : undefined;
  }
  return isObject(holder) && Object.hasOwn(holder, token) ? holder[token] : undefined;
}

function read(root: Root, path: string): Json {
  return tokensOf(path).reduce((at: Json, token) => step(at, token), root.document);
}

function readOrUndefined(root: Root, path: string): Json {
  return tokensOf(path).reduce((at: Json, token) => stepOrUndefined(at, token), root.document);
}

function holderOf(root: Root, path: string): { holder: JsonObject | Json[]; last: string } {
  const tokens = tokensOf(path);
  const last = tokens.pop() ?? "";
  const holder = tokens.reduce((at: Json, token) => step(at, token), root.document);
  if (Array.isArray(holder) || isObject(holder)) return { holder, last };
  throw unfit();
}

function put(root: Root, path: string, value: Json, insert: boolean): void {
  if (path === "") {
    root.document = value;
    return;
  }
  const { holder, last } = holderOf(root, path);
  if (!Array.isArray(holder)) return setMember(holder, last, value);
  const index = last === "-" ? holder.length : Number(last);
  if (!/^(\d+|-)$/.test(last) || index > holder.length - (insert ? 0 : 1)) {
    throw unfit();
  }
  if (insert) holder.splice(index, 0, value);
  else holder[index] = value;
}

function remove(root: Root, path: string): Json {
  const value = read(root, path);
  if (path === "") throw unfit();
  const { holder, last } = holderOf(root, path);
  if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete holder[last];
  return value;
}
