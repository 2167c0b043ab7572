/** PriorityLevelConfiguration: a level's concurrency limit, and its queues. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../errors.ts";
import type {
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfiguration,
  QueuingConfiguration,
} from "../../gen/flowcontrol/v1.ts";
import type { Kind } from "../../kind.ts";
import { inRange } from "../../validation/names.ts";
import { validateConditionTypes } from "./conditions.ts";

const EXEMPT = "exempt";
const CATCH_ALL = "catch-all";
const SHARES_BY_DEFAULT = 30;
const QUEUES_BY_DEFAULT = 64;
const HAND_SIZE_BY_DEFAULT = 8;
const QUEUE_LENGTH_BY_DEFAULT = 50;
const QUEUES_MAX = 10_000_000;
/** Bits of a request's hash that choose its queues. */
const HASH_BITS_MAX = 60;

/** The level of all that no other takes, which cannot be changed. */
const CATCH_ALL_SPEC: PriorityLevelConfiguration["spec"] = {
  type: "Limited",
  limited: { nominalConcurrencyShares: 5, limitResponse: { type: "Reject" }, lendablePercent: 0 },
};

function defaults({ spec }: PriorityLevelConfiguration): void {
  const { exempt, limited } = spec;
  if (exempt !== undefined) {
    exempt.nominalConcurrencyShares ??= 0;
    exempt.lendablePercent ??= 0;
  }
  if (limited === undefined) return;
  limited.nominalConcurrencyShares ??= SHARES_BY_DEFAULT;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (queuing === undefined) return;
  queuing.handSize ||= HAND_SIZE_BY_DEFAULT;
  queuing.queues ||= QUEUES_BY_DEFAULT;
  queuing.queueLengthLimit ||= QUEUE_LENGTH_BY_DEFAULT;
}

function validateQueuing(queuing: QueuingConfiguration, path: string): FieldError[] {
  const { queues, handSize, queueLengthLimit } = queuing;
  const errors: FieldError[] = [];
  if (queueLengthLimit <= 0) {
    errors.push(invalid(`${path}.queueLengthLimit`, queueLengthLimit, "must be positive"));
  }
  if (queues <= 0) errors.push(invalid(`${path}.queues`, queues, "must be positive"));
  else if (queues > QUEUES_MAX) {
    errors.push(invalid(`${path}.queues`, queues, `must not be greater than ${QUEUES_MAX}`));
  }
  const at = `${path}.handSize`;
  if (handSize <= 0) return [...errors, invalid(at, handSize, "must be positive")];
  if (handSize > queues) {
    return [...errors, invalid(at, handSize, `should not be greater than queues (${queues})`)];
  }
  if (Math.ceil(Math.log2(queues) * handSize) > HASH_BITS_MAX) {
    const rule =
      `required entropy bits of deckSize ${queues} and ` +
      `handSize ${handSize} should not be greater than ${HASH_BITS_MAX}`;
    errors.push(invalid(at, handSize, rule));
  }
  return errors;
}

function validateResponse(response: Partial<LimitResponse>, path: string): FieldError[] {
  const { type = "", queuing } = response;
  switch (type) {
    case "Reject":
      return queuing === undefined
        ? []
        : [
            forbidden(
              `${path}.queuing`,
              "must be nil if limited.limitResponse.type is not Limited",
            ),
          ];
    case "Queue":
      return queuing === undefined
        ? [
            required(
              `${path}.queuing`,
              "must not be empty if limited.limitResponse.type is Limited",
            ),
          ]
        : validateQueuing(queuing, `${path}.queuing`);
    default:
      return [notSupported(`${path}.type`, type, ["Queue", "Reject"])];
  }
}

function validateShares(
  level: Partial<LimitedPriorityLevelConfiguration>,
  path: string,
): FieldError[] {
  const { nominalConcurrencyShares: shares = 0, lendablePercent: lendable = 0 } = level;
  return [
    ...(shares < 0
      ? [invalid(`${path}.nominalConcurrencyShares`, shares, "must be a non-negative integer")]
      : []),
    ...inRange(lendable, 0, 100).map((each) => invalid(`${path}.lendablePercent`, lendable, each)),
  ];
}

function validateSpec({ metadata, spec }: PriorityLevelConfiguration): FieldError[] {
  const { type, limited, exempt } = spec;
  const errors =
    (metadata.name === EXEMPT) === (type === "Exempt")
      ? []
      : [invalid("spec.type", type, "must be 'Exempt' if and only if `name` is 'exempt'")];
  if (type === "Exempt") {
    if (limited !== undefined) {
      errors.push(forbidden("spec.limited", "must be nil if the type is not Limited"));
    }
    return exempt === undefined ? errors : [...errors, ...validateShares(exempt, "spec.exempt")];
  }
  if (type !== "Limited") {
    return [...errors, notSupported("spec.type", type, ["Exempt", "Limited"])];
  }
  if (exempt !== undefined) {
    errors.push(forbidden("spec.exempt", "must be nil if the type is Limited"));
  }
  if (limited === undefined) {
    return [...errors, required("spec.limited", "must not be empty when type is Limited")];
  }
  const borrowing = limited.borrowingLimitPercent ?? 0;
  return [
    ...errors,
    ...validateShares(limited, "spec.limited"),
    ...validateResponse(limited.limitResponse ?? {}, "spec.limited.limitResponse"),
    ...(borrowing < 0
      ? [
          invalid(
            "spec.limited.borrowingLimitPercent",
            borrowing,
            "if specified, must be a non-negative integer",
          ),
        ]
      : []),
  ];
}

/** The two levels that every cluster has keep their form. */
function validateMandatory({ metadata, spec }: PriorityLevelConfiguration): FieldError[] {
  if (metadata.name === EXEMPT) {
    const { exempt: _exempt, ...rest } = spec;
    if (isDeepStrictEqual(rest, { type: "Exempt" })) return [];
    const rule = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value";
    return [invalid("spec", spec, rule)];
  }
  if (metadata.name !== CATCH_ALL || isDeepStrictEqual(spec, CATCH_ALL_SPEC)) return [];
  return [invalid("spec", spec, "spec of 'catch-all' must equal the fixed value")];
}

const SCHEMA = "flowcontrol/v1.PriorityLevelConfiguration";

export const priorityLevel: Kind<PriorityLevelConfiguration> =
  defineKind<PriorityLevelConfiguration>(SCHEMA, {
    generation: "spec",
    defaults,
    validate: (object) => [
      ...validateSpec(object),
      ...validateMandatory(object),
      ...validateConditionTypes(object.status?.conditions),
    ],
    status: { validateUpdate: ({ status }) => validateConditionTypes(status?.conditions) },
    columns: [
      nameColumn,
      column("Type", ({ spec }) => spec.type),
      column(
        "NominalConcurrencyShares",
        ({ spec }) => spec.limited?.nominalConcurrencyShares ?? NONE,
      ),
      column("Queues", ({ spec }) => spec.limited?.limitResponse?.queuing?.queues ?? NONE),
      column("HandSize", ({ spec }) => spec.limited?.limitResponse?.queuing?.handSize ?? NONE),
      column(
        "QueueLengthLimit",
        ({ spec }) => spec.limited?.limitResponse?.queuing?.queueLengthLimit ?? NONE,
      ),
      ageColumn,
    ],
  });
