import {
  type FieldError,
  invalid as invalidField,
  notSupported,
  tooLong,
} from "@raft2kube/api/errors.ts";
import type { KubeObject, RequestUser, StrategyContext } from "@raft2kube/api/kind.ts";
import type { FieldValidation } from "@raft2kube/apimachinery/decode/decode.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { own } from "@raft2kube/std/own.ts";
import { FIELD_MANAGER_BYTES_MAX } from "../limits.ts";
import type { AuditAnnotations } from "../request/annotations.ts";
import type { RequestContext } from "../request/context.ts";
import type { CountWrite } from "../storage/object-store.ts";
import type { Writer } from "./writer.ts";

/** The options of every write. */
export interface WriteOptions {
  user: RequestUser;
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: FieldValidation;
  subresource: string;
  /** Texts for `Warning:` headers, filled on the way. */
  warnings: string[];
  /** The options as the client gave them: those that an admission webhook is shown. */
  options?: JsonObject;
  /** Whether the server writes for itself: such writes are not shown to webhooks and policies. */
  isInternal?: boolean;
  /**
   * Checks permissions that the new object needs besides that for the verb, after admission's
   * changes: a webhook must not grant what the user may not. Throws ApiError.
   */
  authorize?(object: KubeObject, old: KubeObject | undefined): Promise<void>;
  /** Signal that is aborted when the client has gone. */
  signal?: AbortSignal | undefined;
  /** The end of the request's time, by the clock's `monotonic`. */
  deadline_ms?: number | undefined;
  /** Counts what is stored for the user. */
  countWrite?: CountWrite | undefined;
  /** Annotations for the audit log. */
  annotations?: AuditAnnotations | undefined;
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
  request: Pick<
    RequestContext,
    "user" | "info" | "warnings" | "signal" | "deadline_ms" | "countWrite" | "audit"
  > & { readonly userAgent: string },
): WriteOptions {
  const { user, info, warnings, userAgent, signal, deadline_ms, countWrite } = request;
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
    options: optionsIn(query),
    signal,
    deadline_ms,
    countWrite,
    annotations: request.audit?.annotations,
  };
}

function optionsIn(query: URLSearchParams): JsonObject {
  const dryRun = query.getAll("dryRun");
  const named = ["fieldManager", "fieldValidation"].flatMap((name) => {
    const value = query.get(name) ?? "";
    return value === "" ? [] : [[name, value]];
  });
  return { ...(dryRun.length > 0 && { dryRun }), ...(Object.fromEntries(named) as object) };
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

/** The context of a write for strategies; the server's own cannot be repeated in a thread. */
export function strategyContext(
  { clock, steps_max }: Pick<Writer, "clock" | "steps_max">,
  options: WriteOptions,
): StrategyContext {
  const warn = (text: string) => void options.warnings.push(text);
  const limited = options.isInternal === true ? {} : { steps_max };
  return { now_ms: clock.now(), user: options.user, ...limited, warn };
}
