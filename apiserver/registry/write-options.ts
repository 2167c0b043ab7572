import type { RequestUser, StrategyContext } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { badRequest } from "../errors/catalog.ts";

/** How strictly fields that the kind does not have are taken. */
export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** What every write carries besides the object. */
export interface WriteOptions {
  user: RequestUser;
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: FieldValidation;
  subresource: string;
  /** Texts for `Warning:` headers, filled on the way. */
  warnings: string[];
}

/** The options in a query. Throws 400 on a value that does not exist. */
export function readWriteOptions(
  query: URLSearchParams,
  request: { user: RequestUser; subresource: string; warnings: string[]; userAgent: string },
): WriteOptions {
  const { user, subresource, warnings, userAgent } = request;
  return {
    user,
    subresource,
    warnings,
    dryRun: readDryRun(query.getAll("dryRun")),
    fieldManager: query.get("fieldManager") || managerOf(userAgent),
    fieldValidation: readFieldValidation(query.get("fieldValidation")),
  };
}

export function readDryRun(values: readonly string[]): boolean {
  for (const value of values) {
    if (value !== "All") {
      throw badRequest(
        `Invalid value: ${JSON.stringify(value)}: Unsupported value: supported: "All"`,
      );
    }
  }
  return values.length > 0;
}

function readFieldValidation(value: string | null): FieldValidation {
  if (value === null || value === "") return "Warn";
  if (value === "Ignore" || value === "Warn" || value === "Strict") return value;
  throw badRequest(
    `fieldValidation: Unsupported value: ${JSON.stringify(value)}: ` +
      `supported values: "", "Ignore", "Strict", "Warn"`,
  );
}

/** Upstream names the manager of a write without `fieldManager` by the user agent's first word. */
function managerOf(userAgent: string): string {
  return (userAgent.split("/")[0] ?? "").slice(0, 128);
}

/** What strategies are told about a write. */
export function strategyContext(core: Core, options: WriteOptions): StrategyContext {
  return { now_ms: core.clock.now(), user: options.user };
}
