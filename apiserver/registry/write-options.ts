import { own } from "@raft2kube/std/own.ts";
import type { RequestUser, StrategyContext } from "@raft2kube/api/kind.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  type FieldError,
  invalid as invalidField,
  notSupported,
  tooLong,
} from "@raft2kube/api/errors.ts";
import type { FieldValidation } from "@raft2kube/apimachinery/decode/decode.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { RequestInfo } from "../request/request-info.ts";
import { FIELD_MANAGER_BYTES_MAX } from "../limits.ts";

/** The options of every write. */
export interface WriteOptions {
  user: RequestUser;
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: FieldValidation;
  subresource: string;
  /** Texts for `Warning:` headers, filled on the way. */
  warnings: string[];
}

/** The structure that a verb's options are named by in complaints. */
const OPTIONS: Readonly<Record<string, string>> = {
  create: "CreateOptions",
  update: "UpdateOptions",
  patch: "PatchOptions",
  delete: "DeleteOptions",
  deletecollection: "DeleteOptions",
};

/** The options in a query. Throws 422 on a value that does not exist. */
export function readWriteOptions(
  query: URLSearchParams,
  request: { user: RequestUser; info: RequestInfo; warnings: string[]; userAgent: string },
): WriteOptions {
  const { user, info, warnings, userAgent } = request;
  const named = own(OPTIONS, info.verb) ?? "CreateOptions";
  const findings = named === "DeleteOptions" ? [] : complaintsAbout(query);
  if (findings.length > 0) throw invalid({ group: "meta.k8s.io", name: named }, "", findings);
  return {
    user,
    subresource: info.subresource,
    warnings,
    dryRun: query.getAll("dryRun").length > 0,
    fieldManager: query.get("fieldManager") || managerOf(userAgent),
    fieldValidation: (query.get("fieldValidation") || "Warn") as FieldValidation,
  };
}

function complaintsAbout(query: URLSearchParams): FieldError[] {
  const manager = query.get("fieldManager") ?? "";
  const validation = query.get("fieldValidation") ?? "";
  const found = dryRunComplaints(query.getAll("dryRun"));
  if (Buffer.byteLength(manager) > FIELD_MANAGER_BYTES_MAX) {
    found.unshift(tooLong("fieldManager", FIELD_MANAGER_BYTES_MAX));
  }
  const odd = [...manager].findIndex((letter) => /\p{C}/u.test(letter));
  if (odd >= 0) {
    const code = manager.codePointAt(odd)!.toString(16).toUpperCase().padStart(4, "0");
    const detail = `invalid character U+${code} (at position ${odd})`;
    found.unshift(invalidField("fieldManager", manager, detail));
  }
  if (!["", ...VALIDATIONS].includes(validation)) {
    found.push(notSupported("fieldValidation", validation, ["", ...VALIDATIONS]));
  }
  return found;
}

/** Validates `dryRun`: its only value is `All`. */
export function dryRunComplaints(values: readonly string[]): FieldError[] {
  if (values.every((value) => value === "All")) return [];
  return [notSupported("dryRun", values, ["All"])];
}

const VALIDATIONS: readonly string[] = ["Ignore", "Strict", "Warn"];

/** Upstream names the manager of a write without `fieldManager` by the user agent's first word. */
function managerOf(userAgent: string): string {
  return (userAgent.split("/")[0] ?? "").slice(0, FIELD_MANAGER_BYTES_MAX);
}

/** The context of a write for strategies. */
export function strategyContext(clock: Clock, options: WriteOptions): StrategyContext {
  return { now_ms: clock.now(), user: options.user };
}
