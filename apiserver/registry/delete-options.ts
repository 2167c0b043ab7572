import { wholeNumber } from "../http/request-info.ts";
import { badRequest, invalid } from "../errors/catalog.ts";
import { dryRunComplaints } from "./write-options.ts";

const SUBJECT = { group: "meta.k8s.io", name: "DeleteOptions" };

export type Propagation = "Orphan" | "Background" | "Foreground";

/** What a deletion asks for (meta/v1 DeleteOptions). */
export interface DeleteRequest {
  gracePeriod_s: number | undefined;
  propagation: Propagation | undefined;
  uid: string | undefined;
  resourceVersion: string | undefined;
  dryRun: boolean;
}

interface DeleteOptionsBody {
  kind?: unknown;
  gracePeriodSeconds?: unknown;
  orphanDependents?: unknown;
  propagationPolicy?: unknown;
  preconditions?: { uid?: unknown; resourceVersion?: unknown } | null;
  dryRun?: unknown;
}

/** Reads the options from a body, or without one from the query. Throws 400 or 422 on nonsense. */
export function readDeleteRequest(body: object | undefined, query: URLSearchParams): DeleteRequest {
  const options = (body ?? optionsOfQuery(query)) as DeleteOptionsBody;
  if (body && options.kind !== undefined && options.kind !== "DeleteOptions") {
    const given = `no kind ${JSON.stringify(options.kind)} is registered for version`;
    const version = JSON.stringify((body as { apiVersion?: unknown }).apiVersion ?? "");
    throw badRequest(`${given} ${version} in scheme "pkg/runtime/scheme.go:111"`);
  }
  const asked = Array.isArray(options.dryRun) ? options.dryRun.map(String) : [];
  const dryRun = [...asked, ...query.getAll("dryRun")];
  const complaints = dryRunComplaints(dryRun);
  if (complaints.length > 0) throw invalid(SUBJECT, "", complaints);
  const { preconditions } = options;
  return {
    gracePeriod_s: graceOf(options.gracePeriodSeconds),
    propagation: propagationOf(options),
    uid: textOf(preconditions?.uid, "preconditions.uid"),
    resourceVersion: textOf(preconditions?.resourceVersion, "preconditions.resourceVersion"),
    dryRun: dryRun.length > 0,
  };
}

function optionsOfQuery(query: URLSearchParams): DeleteOptionsBody {
  const grace = query.get("gracePeriodSeconds");
  const orphan = query.get("orphanDependents");
  return {
    ...(grace === null ? {} : { gracePeriodSeconds: wholeNumber(grace) }),
    ...(orphan === null ? {} : { orphanDependents: orphan === "true" }),
    propagationPolicy: query.get("propagationPolicy") ?? undefined,
  };
}

function graceOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) {
    throw badRequest(`gracePeriodSeconds must be a whole number, got ${JSON.stringify(value)}`);
  }
  // A negative period means at once with upstream's minimum of one second.
  return value < 0 ? 1 : value;
}

function textOf(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw badRequest(`${field} must be a string`);
  return value;
}

function propagationOf(options: DeleteOptionsBody): Propagation | undefined {
  const { orphanDependents, propagationPolicy } = options;
  if (propagationPolicy === undefined || propagationPolicy === null) {
    if (orphanDependents === undefined || orphanDependents === null) return undefined;
    return orphanDependents === true ? "Orphan" : "Background";
  }
  if (orphanDependents !== undefined && orphanDependents !== null) {
    throw invalid(SUBJECT, "", [
      {
        type: "FieldValueInvalid",
        field: "propagationPolicy",
        value: propagationPolicy,
        detail: "orphanDependents and deletionPropagation cannot be both set",
      },
    ]);
  }
  const policies: readonly unknown[] = ["Orphan", "Background", "Foreground"];
  if (policies.includes(propagationPolicy)) return propagationPolicy as Propagation;
  throw invalid(SUBJECT, "", [
    {
      type: "FieldValueNotSupported",
      field: "propagationPolicy",
      value: propagationPolicy,
      detail: `supported values: "Foreground", "Background", "Orphan", "nil"`,
    },
  ]);
}
