import { isDeepStrictEqual } from "node:util";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { isDeeper } from "@raft2kube/std/record.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest } from "../errors/catalog.ts";
import { isTooDeep } from "../json/depth.ts";
import { isObject, type Json, type JsonObject, notUnmarshalled, setMember } from "../json/json.ts";
import {
  BODY_DEPTH_MAX,
  JSON_PATCH_COPIES_BYTES_MAX,
  JSON_PATCH_ITEMS_MOVED_MAX,
  JSON_PATCH_OPERATIONS_MAX,
} from "../limits.ts";

type Operation = { op: string; path: string; from: string | undefined; value: Json };

/**
 * The operations of a JSON patch (RFC 6902); none of null, as which Go's encoder writes an empty
 * patch. Throws 400 on an invalid patch, 413 on too many operations.
 */
export function readJsonPatch(value: Json): Operation[] {
  if (value === null) return [];
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
    // An operation of another type counts as missing, and is invalid.
    const text = (name: string) => (typeof each[name] === "string" ? each[name] : undefined);
    const { value: given } = each;
    return { op: text("op") ?? "", path: text("path") ?? "none", from: text("from"), value: given };
  });
}

/**
 * Applies the operations to a copy of `document`. Throws 422 when one does not fit it, or when the
 * result is nested deeper than a body may be.
 */
export function applyJsonPatch(document: Json, operations: readonly Operation[]): Json {
  const root = { document: structuredClone(document), copied_bytes: 0, itemsMoved: 0 };
  for (const operation of operations) {
    try {
      applyOperation(root, operation);
    } catch (thrown) {
      if (thrown instanceof UnfitError) thrown.operation = operation;
      throw thrown;
    }
  }
  if (isTooDeep(root.document)) throw unfit();
  return root.document;
}

interface Root {
  document: Json;
  /** Bytes added by copies so far: a few that double the document would take all memory. */
  copied_bytes: number;
  itemsMoved: number;
}

/** Upstream reports neither the operation nor the reason to clients of PATCH. */
const UNFIT = {
  code: 422,
  reason: "Invalid",
  message: "the server rejected our request due to an error in our request",
  details: {},
};

/** The error of an operation that does not fit the document, which those who wrote it may see. */
export class UnfitError extends ApiError {
  operation: Operation | undefined;

  constructor() {
    super(UNFIT);
  }

  /** The operation as text, such as `replace /spec/x`. */
  get what(): string {
    const { op = "", path = "" } = this.operation ?? {};
    return `${op} ${path}`.slice(0, OPERATION_CHARACTERS_MAX);
  }
}

const OPERATION_CHARACTERS_MAX = 256;

const unfit = (): UnfitError => new UnfitError();

/** The error of a `test` operation that does not hold. */
export class TestFailedError extends UnfitError {}

function applyOperation(root: Root, operation: Operation): void {
  const { op, path, value = null } = operation;
  switch (op) {
    case "add":
      return add(root, path, structuredClone(value));
    case "replace":
      return replace(root, path, structuredClone(value));
    case "remove":
      return void remove(root, path);
    case "move":
      return add(root, path, remove(root, sourceOf(operation)));
    case "copy":
      return add(root, path, copy(root, sourceOf(operation)));
    case "test":
      if (isDeepStrictEqual(read(root, path), value)) return;
      throw new TestFailedError();
    default:
      throw unfit();
  }
}

function copy(root: Root, from: string): Json {
  const { holder, last } = holderOf(root, from);
  const value = memberOf(holder, last);
  // JSON.stringify recurses: a value of thousands of levels overflows the stack.
  if (isDeeper(value, BODY_DEPTH_MAX)) throw unfit();
  const text = JSON.stringify(value);
  root.copied_bytes += Buffer.byteLength(text);
  if (root.copied_bytes > JSON_PATCH_COPIES_BYTES_MAX) throw unfit();
  return parseExact(text) as Json;
}

function sourceOf(operation: Operation): string {
  if (operation.from === undefined) throw unfit();
  return operation.from;
}

type Holder = JsonObject | Json[];

/**
 * Returns the object or array that the last token of a JSON pointer (RFC 6901) refers into. As in
 * upstream's library, text before the first slash is ignored, and an absent member of an object is
 * null.
 */
function holderOf(root: Root, path: string): { holder: Holder; last: string } {
  const [, ...tokens] = path.split("/").map(unescaped);
  const last = tokens.pop();
  if (last === undefined) throw unfit();
  const holder = tokens.reduce((at, token) => held(memberOf(at, token)), held(root.document));
  return { holder, last };
}

const unescaped = (token: string): string => token.replaceAll("~1", "/").replaceAll("~0", "~");

function held(value: Json): Holder {
  if (Array.isArray(value) || isObject(value)) return value;
  throw unfit();
}

function memberOf(holder: Holder, token: string): Json {
  if (Array.isArray(holder)) return holder[placeIn(token, holder.length)] as Json;
  return Object.hasOwn(holder, token) ? holder[token] : null;
}

/**
 * Index in a list of `places` items; a negative one counts from the end. Throws 422 on any other.
 */
function placeIn(token: string, places: number): number {
  const given = /^[+-]?\d+$/.test(token) ? Number(token) : NaN;
  const index = given < 0 ? given + places : given;
  if (!(index >= 0 && index < places)) throw unfit();
  return index;
}

function read(root: Root, path: string): Json {
  if (path === "") return root.document;
  const { holder, last } = holderOf(root, path);
  return memberOf(holder, last);
}

function add(root: Root, path: string, value: Json): void {
  const { holder, last } = holderOf(root, path);
  if (!Array.isArray(holder)) setMember(holder, last, value);
  else if (last === "-") holder.push(value);
  else {
    const index = placeIn(last, holder.length + 1);
    moveItems(root, holder.length - index);
    holder.splice(index, 0, value);
  }
}

function moveItems(root: Root, count: number): void {
  root.itemsMoved += count;
  if (root.itemsMoved <= JSON_PATCH_ITEMS_MOVED_MAX) return;
  const message =
    `The JSON patch moves more than ${JSON_PATCH_ITEMS_MOVED_MAX} items of lists: ` +
    "send fewer operations, or replace the list";
  throw new ApiError({ code: 413, reason: "RequestEntityTooLarge", message });
}

/** Takes a member that is not there yet as well. */
function replace(root: Root, path: string, value: Json): void {
  if (path === "") {
    root.document = held(value);
    return;
  }
  const { holder, last } = holderOf(root, path);
  if (Array.isArray(holder)) holder[placeIn(last, holder.length)] = value;
  else setMember(holder, last, value);
}

function remove(root: Root, path: string): Json {
  const { holder, last } = holderOf(root, path);
  if (Array.isArray(holder)) {
    const index = placeIn(last, holder.length);
    moveItems(root, holder.length - index);
    return holder.splice(index, 1)[0] as Json;
  }
  if (!Object.hasOwn(holder, last)) throw unfit();
  const value = holder[last];
  delete holder[last];
  return value;
}
