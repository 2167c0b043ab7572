import { type FieldError, forbidden, notSupported } from "@raft2kube/api/errors.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest, invalid } from "../errors/catalog.ts";
import { isTrue, wholeNumber } from "../http/request-info.ts";

/** How the revision of a list is chosen (meta/v1 ListOptions). */
export type RevisionMatch =
  /** The newest state, confirmed by the store's quorum. */
  | { type: "newest" }
  /** Whatever the cache has. */
  | { type: "any" }
  /** At least this revision. */
  | { type: "not-older-than"; revision: number }
  | { type: "exact"; revision: number };

export interface ListOptions {
  match: RevisionMatch;
  limit: number;
  continue: string;
  labelSelector: string;
  fieldSelector: string;
}

export interface WatchOptions {
  labelSelector: string;
  fieldSelector: string;
  /** undefined: whatever is there first, then changes. 0 likewise. */
  revision: number | undefined;
  bookmarks: boolean;
  sendInitialEvents: boolean;
  timeout_s: number | undefined;
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
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  const quoted = JSON.stringify(text);
  const complaint = `strconv.ParseUint: parsing ${quoted}: invalid syntax`;
  const message = `resourceVersion: Invalid value: ${quoted}: ${complaint}`;
  throw new ApiError({ code: 500, reason: "", message });
}

function countIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null || text === "" ? undefined : wholeNumber(text);
}

/** Throws 400 or 422 for combinations that mean nothing, as upstream does. */
export function readListOptions(query: URLSearchParams): ListOptions {
  const token = query.get("continue") ?? "";
  countIn(query, "timeoutSeconds");
  return {
    match: revisionMatch(query, token),
    limit: Math.max(0, countIn(query, "limit") ?? 0),
    continue: token,
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: query.get("fieldSelector") ?? "",
  };
}

function revisionMatch(query: URLSearchParams, token: string): RevisionMatch {
  const text = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const findings = match === "" ? [] : matchComplaints(match, text, token);
  if (query.get("sendInitialEvents") !== null) {
    findings.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  if (findings.length > 0) throw invalid(SUBJECT, "", findings);
  const revision = revisionIn(query);
  if (token !== "" && revision !== undefined && revision !== 0) {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  // lab:07 begin revision-match
  if (revision === undefined || token !== "") return { type: "newest" };
  if (match === "Exact") return { type: "exact", revision };
  if (revision === 0) return { type: "any" };
  // Before match rules there were, a limit meant this very revision (upstream keeps it so).
  if (match === "" && query.get("limit")) return { type: "exact", revision };
  return { type: "not-older-than", revision };
  // lab:07 end
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
  const match = query.get(field) ?? "";
  const initial = query.get("sendInitialEvents");
  const found: FieldError[] = [];
  if (initial === null) {
    if (match !== "") {
      const detail = `${field} is forbidden for watch unless sendInitialEvents is provided`;
      found.push(forbidden(field, detail));
    }
  } else if (match !== "NotOlderThan") {
    const detail = `sendInitialEvents requires setting ${field} to NotOlderThan`;
    found.push(forbidden(field, detail));
  }
  if (query.get("continue")) {
    found.push(forbidden(field, `${field} is forbidden when continue is provided`));
  }
  if (initial !== null && match !== "" && match !== "NotOlderThan") {
    found.push(notSupported(field, match, ["NotOlderThan"]));
  }
  return found;
}

/** Throws 400 or 422 for combinations that mean nothing, as upstream does. */
export function readWatchOptions(query: URLSearchParams): WatchOptions {
  const findings = watchComplaints(query);
  if (findings.length > 0) throw invalid(SUBJECT, "", findings);
  const text = query.get("resourceVersion") ?? "";
  const bookmarks = isTrue(query.get("allowWatchBookmarks"));
  const sendInitialEvents = isTrue(query.get("sendInitialEvents"));
  if (sendInitialEvents && !bookmarks) {
    const detail = "sendInitialEvents requires setting allowWatchBookmarks to true";
    throw invalid(SUBJECT, "", [forbidden("allowWatchBookmarks", detail)]);
  }
  return {
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: query.get("fieldSelector") ?? "",
    revision: text === "" ? undefined : revisionOf(text),
    bookmarks,
    sendInitialEvents,
    timeout_s: countIn(query, "timeoutSeconds"),
  };
}
