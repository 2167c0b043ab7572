/** The kind of definitions, as the API server has it: the facts' kind with all of its rules. */
import { isDeepStrictEqual } from "node:util";
import { customResourceDefinition } from "@raft2kube/api/apiextensions/v1/custom-resource-definition.ts";
import { type FieldError, invalid } from "@raft2kube/api/errors.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionStatus,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { immutable } from "@raft2kube/api/validation/metadata.ts";
import { isKnownFormat } from "../formats.ts";
import { validateApproval } from "./approval.ts";
import { isEstablished, type Leniency, leniencyOf, STRICT } from "./leniency.ts";
import {
  requireNames,
  validateConversion,
  validateGroup,
  validateNames,
  validateScope,
} from "./names.ts";
import {
  hasDefaults,
  requireSchemas,
  validateShared,
  validateVersionNames,
  validateVersions,
} from "./versions.ts";
import { schemasIn } from "./walk.ts";

type Definition = CustomResourceDefinition;

const { strategy, subresources } = customResourceDefinition;
const status = subresources["status"]!;

/** Replaces the kind of the facts in the kinds that a server serves. */
export const definitionKind: Kind<Definition> = {
  ...customResourceDefinition,
  strategy: {
    ...strategy,
    prepareCreate(object, context) {
      strategy.prepareCreate(object, context);
      addStoredVersion(object);
    },
    prepareUpdate(object, old, context) {
      strategy.prepareUpdate(object, old, context);
      addStoredVersion(object);
    },
    validateCreate: (object, context) => [
      ...strategy.validateCreate(object, context),
      ...validateName(object),
      ...validate(object, STRICT),
    ],
    validateUpdate: (object, old, context) => [
      ...strategy.validateUpdate(object, old, context),
      ...validate(object, leniencyOf(object, old), old),
    ],
    warnings: formatWarnings,
  },
  subresources: {
    ...subresources,
    status: {
      ...status,
      strategy: {
        ...status.strategy!,
        prepareUpdate(object, old, context) {
          status.strategy!.prepareUpdate(object, old, context);
          if ((object.status?.storedVersions ?? []).length === 0) addStoredVersion(object);
        },
        validateUpdate: (object, old, context) => [
          ...status.strategy!.validateUpdate(object, old, context),
          ...validateStatus(object),
        ],
      },
    },
  },
};

/** `status.storedVersions` holds each version that objects may be stored in. */
function addStoredVersion(crd: Definition): void {
  const stored = crd.spec.versions.find(({ storage }) => storage)?.name;
  const { storedVersions = [] } = crd.status as Partial<CustomResourceDefinitionStatus>;
  if (stored === undefined || storedVersions.includes(stored)) return;
  crd.status = { ...crd.status!, storedVersions: [...storedVersions, stored] };
}

function validateName({ metadata, spec }: Definition): FieldError[] {
  return (["generateName", "name"] as const).flatMap((field) => {
    const text = metadata[field] ?? "";
    return text === "" || text === `${spec.names.plural}.${spec.group}`
      ? []
      : [invalid(`metadata.${field}`, text, 'must be spec.names.plural+"."+spec.group')];
  });
}

const validate = (crd: Definition, leniency: Leniency, old?: Definition): FieldError[] => [
  ...validateSpec(crd, leniency),
  ...(old === undefined ? [] : validateImmutable(crd, old)),
  ...validateStatus(crd),
  ...validateStoredVersions(crd),
  ...validateApproval(crd, old),
  ...(crd.spec.preserveUnknownFields === true && old?.spec.preserveUnknownFields !== true
    ? [
        invalid(
          "spec.preserveUnknownFields",
          true,
          "cannot set to true, set " +
            "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ),
      ]
    : []),
];

const validateSpec = ({ spec }: Definition, leniency: Leniency): FieldError[] => [
  ...validateGroup(spec.group),
  ...validateScope(spec.scope ?? ""),
  ...requireSchemas(spec, leniency),
  ...(spec.preserveUnknownFields === true && hasDefaults(spec)
    ? [
        invalid(
          "spec.preserveUnknownFields",
          true,
          "must be false in order to use defaults in the schema",
        ),
      ]
    : []),
  ...validateVersions(spec, leniency),
  ...validateVersionNames(spec),
  ...requireNames(spec.names),
  ...validateNames(spec.names, "spec.names"),
  ...validateShared(spec, leniency),
  ...validateConversion(spec, leniency),
];

/** Keys in the store have the group and the plural; objects that are there, kind and scope. */
const validateImmutable = ({ spec }: Definition, old: Definition): FieldError[] => [
  ...(isEstablished(old)
    ? [
        ...immutable("spec.scope", spec.scope, old.spec.scope),
        ...immutable("spec.names.kind", spec.names.kind, old.spec.names.kind),
      ]
    : []),
  ...immutable("spec.group", spec.group, old.spec.group),
  ...immutable("spec.names.plural", spec.names.plural, old.spec.names.plural),
];

function validateStatus({ status }: Definition): FieldError[] {
  const names = status?.acceptedNames;
  return names === undefined ? [] : validateNames(names, "status.acceptedNames");
}

/** Versions that objects may be stored in must stay readable. */
function validateStoredVersions({ spec, status }: Definition): FieldError[] {
  const stored = status?.storedVersions ?? [];
  const path = "status.storedVersions";
  if (stored.length === 0) return [invalid(path, null, "must have at least one stored version")];
  return [
    ...spec.versions
      .filter(({ name, storage }) => storage && !stored.includes(name))
      .map(({ name }) => invalid(path, stored, `must have the storage version ${name}`)),
    ...stored.flatMap((name, index) =>
      spec.versions.some((each) => each.name === name)
        ? []
        : [
            invalid(
              `${path}[${index}]`,
              name,
              `missing from spec.versions; ${name} was previously ` +
                "a storage version, and must remain in spec.versions until a storage migration ensures " +
                `no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
            ),
          ],
    ),
  ];
}

/** Formats that nothing is checked by, but for those that were there before. */
function formatWarnings(crd: Definition, old?: Definition): string[] {
  if (old !== undefined && isDeepStrictEqual(crd.spec, old.spec)) return [];
  const known = old === undefined ? new Set<string>() : new Set(unknownFormats(old));
  return unknownFormats(crd)
    .filter((each) => !known.has(each))
    .map((each) => `unrecognized format ${JSON.stringify(each)}`);
}

function unknownFormats({ spec }: Definition): string[] {
  return spec.versions
    .flatMap(({ schema }) =>
      schema?.openAPIV3Schema === undefined ? [] : schemasIn(schema.openAPIV3Schema),
    )
    .flatMap(({ type = "", format = "" }) =>
      format === "" || isKnownFormat(type, format) ? [] : [format],
    );
}
