import { type FieldError, forbidden, notSupported } from "@raft2kube/api/errors.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { isTrue, wholeNumber } from "../request/request-info.ts";
import { decodeContinue } from "../storage/continue.ts";
import { checkFields, readSelectors } from "./selection.ts";
import type { StorePages } from "./store-pages.ts";

/** How the revision of a list is chosen (meta/v1 ListOptions). */
export type RevisionMatch =
  /** The newest state, confirmed by the store's quorum. */
  | { type: "newest" }
  /** Any state that the cache has. */
  | { type: "any" }
  /** A state at this revision or a later one. */
  | { type: "not-older-than"; revision: number }
  | { type: "exact"; revision: number };

export interface ListOptions {
  match: RevisionMatch;
  limit: number;
  continue: string;
  labelSelector: string;
  fieldSelector: string;
  /** Bounds what is read from the store. */
  pages?: StorePages | undefined;
  /** The owner of the turns in which large objects of the store are decoded. */
  owner?: string;
}

export interface WatchOptions {
  labelSelector: string;
  fieldSelector: string;
  /** Revision to watch from. undefined and 0: first the current objects, then changes. */
  revision: number | undefined;
  bookmarks: boolean;
  sendInitialEvents: boolean;
  timeout_s: number | undefined;
  /** Bounds what is read from the store. */
  pages?: StorePages | undefined;
}

const SUBJECT = { group: "meta.k8s.io", name: "ListOptions" };

function revisionIn(query: URLSearchParams): number | undefined {
  const text = query.get("resourceVersion") ?? "";
  if (text === "") return undefined;
  try {
    return revisionOf(text);
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    throw badRequest(`invalid resource version: ${thrown.message}`);
  }
}

/** A revision that a client names. Throws 500 in the words of upstream's parser, as upstream. */
export function revisionOf(text: string): number {
  const revision = Number(text);
  const digits = /^\d+$/.test(text);
  if (digits && Number.isSafeInteger(revision)) return revision;
  const quoted = JSON.stringify(text);
  const why = digits ? "value out of range" : "invalid syntax";
  const complaint = `strconv.ParseUint: parsing ${quoted}: ${why}`;
  const message = `resourceVersion: Invalid value: ${quoted}: ${complaint}`;
  throw new ApiError({ code: 500, reason: "", message });
}

function countIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null ? undefined : wholeNumber(text);
}

/** Reads the options that lists and watches share: numbers, then selectors. Throws 400. */
function readCommon(query: URLSearchParams) {
  const timeout_s = countIn(query, "timeoutSeconds");
  const limit = Math.max(0, countIn(query, "limit") ?? 0);
  const labelSelector = query.get("labelSelector") ?? "";
  const fieldSelector = query.get("fieldSelector") ?? "";
  const terms = readSelectors({ labelSelector, fieldSelector });
  return { timeout_s, limit, labelSelector, fieldSelector, terms };
}

/**
 * Throws 400 or 422 for values that cannot be parsed and combinations without a meaning: upstream's
 * first error.
 */
export function readListOptions(kind: Kind, query: URLSearchParams): ListOptions {
  const { limit, labelSelector, fieldSelector, terms } = readCommon(query);
  const findings = listComplaints(query);
  if (findings.length > 0) throw invalid(SUBJECT, "", findings);
  checkFields(kind, terms.fields);
  const token = query.get("continue") ?? "";
  return {
    match: revisionMatch(query, token, limit),
    limit,
    continue: token,
    labelSelector,
    fieldSelector,
  };
}

function listComplaints(query: URLSearchParams): FieldError[] {
  const text = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const token = query.get("continue") ?? "";
  const findings = match === "" ? [] : matchComplaints(match, text, token);
  if (query.get("sendInitialEvents") !== null) {
    findings.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  return findings;
}

/**
 * Returns which revision may answer a list. Without a `resourceVersion`, and for the further pages
 * of a list (`token`): the newest. With `resourceVersionMatch=Exact`: this one. With 0: the cache's
 * present. With any other and a `limit` but no match: this one; otherwise one that is not older.
 * Throws BadRequest for a token or a revision that cannot be read, or for both together.
 */
function revisionMatch(query: URLSearchParams, token: string, limit: number): RevisionMatch {
  const match = query.get("resourceVersionMatch") ?? "";
  if (token !== "") {
    decodeContinue(token);
    const text = query.get("resourceVersion") ?? "";
    if (text === "" || text === "0") return { type: "newest" };
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  const revision = revisionIn(query);
  // lab:07a begin revision-match
  if (revision === undefined) return { type: "newest" };
  if (match === "Exact") return { type: "exact", revision };
  if (revision === 0) return { type: "any" };
  // Before match rules there were, a limit meant this very revision (upstream keeps it so).
  if (match === "" && limit > 0) return { type: "exact", revision };
  return { type: "not-older-than", revision };
  // lab:07a end
}

function matchComplaints(match: string, revision: string, token: string): FieldError[] {
  const field = "resourceVersionMatch";
  const found: FieldError[] = [];
  if (revision === "") {
    found.push(forbidden(field, `${field} is forbidden unless resourceVersion is provided`));
  }
  if (token !== "") {
    found.push(forbidden(field, `${field} is forbidden when continue is provided`));
  }
  if (match !== "Exact" && match !== "NotOlderThan") {
    found.push(notSupported(field, match, ["Exact", "NotOlderThan", ""]));
  }
  if (match === "Exact" && revision === "0") {
    found.push(forbidden(field, `${field} "exact" is forbidden for resourceVersion "0"`));
  }
  return found;
}

function watchComplaints(query: URLSearchParams): FieldError[] {
  const field = "resourceVersionMatch";
  const given = query.get(field) ?? "";
  const asked = query.get("sendInitialEvents");
  // A watch from the current state counts as one with sendInitialEvents.
  const fromNow = ["", "0"].includes(query.get("resourceVersion") ?? "");
  const filled = fromNow && given === "" && asked === null;
  const match = filled ? "NotOlderThan" : given;
  const initial = filled ? "true" : asked;
  const found: FieldError[] = [];
  if (initial !== null && match !== "NotOlderThan") {
    const detail = `sendInitialEvents requires setting ${field} to NotOlderThan`;
    found.push(forbidden(field, detail));
  }
  if (match === "") return found;
  if (initial === null) {
    const detail = `${field} is forbidden for watch unless sendInitialEvents is provided`;
    found.push(forbidden(field, detail));
  }
  if (match !== "NotOlderThan") found.push(notSupported(field, match, ["NotOlderThan"]));
  if (query.get("continue")) {
    found.push(forbidden(field, `${field} is forbidden when continue is provided`));
  }
  return found;
}

/** Throws 400 or 422 for combinations that mean nothing, as upstream does. */
export function readWatchOptions(kind: Kind, query: URLSearchParams): WatchOptions {
  const { timeout_s, labelSelector, fieldSelector, terms } = readCommon(query);
  const findings = watchComplaints(query);
  if (findings.length > 0) throw invalid(SUBJECT, "", findings);
  checkFields(kind, terms.fields);
  const text = query.get("resourceVersion") ?? "";
  const bookmarks = isTrue(query.get("allowWatchBookmarks"));
  const sendInitialEvents = isTrue(query.get("sendInitialEvents"));
  if (sendInitialEvents && !bookmarks) {
    const detail = "sendInitialEvents requires setting allowWatchBookmarks to true";
    throw invalid(SUBJECT, "", [forbidden("allowWatchBookmarks", detail)]);
  }
  return {
    labelSelector,
    fieldSelector,
    revision: text === "" ? undefined : revisionOf(text),
    bookmarks,
    sendInitialEvents,
    timeout_s,
  };
}
