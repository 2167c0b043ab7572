import { given } from "@raft2kube/std/given.ts";
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceValidation,
  WebhookConversion,
} from "../../gen/apiextensions/v1.ts";
import type { KubeObject } from "../../kind.ts";

type Column = Omit<CustomResourceColumnDefinition, "jsonPath"> & { JSONPath: string };

interface Version extends Omit<CustomResourceDefinitionVersion, "additionalPrinterColumns"> {
  additionalPrinterColumns?: Column[];
}

interface Conversion extends Partial<Omit<WebhookConversion, "clientConfig">> {
  strategy: string;
  webhookClientConfig?: WebhookConversion["clientConfig"];
}

/** The spec in `v1beta1`, which has other fields than that in `v1`. */
interface Stored extends Omit<CustomResourceDefinitionSpec, "versions" | "conversion"> {
  version?: string;
  versions?: Version[];
  validation?: CustomResourceValidation;
  subresources?: Version["subresources"];
  additionalPrinterColumns?: Column[];
  selectableFields?: Version["selectableFields"];
  conversion?: Conversion;
}

/**
 * Returns a definition as it is served. We store that; kube-apiserver stores `v1beta1` as JSON, in
 * which the spec has what is equal in all versions (source: conversion.go of apiextensions/v1).
 */
export function fromStorage(object: KubeObject): CustomResourceDefinition {
  if (object.apiVersion !== "apiextensions.k8s.io/v1beta1") {
    return object as CustomResourceDefinition;
  }
  const { spec, ...rest } = object as KubeObject & { spec: Stored };
  const { version, validation, subresources, additionalPrinterColumns, selectableFields } = spec;
  const { versions, conversion, group, names, scope, preserveUnknownFields = true } = spec;
  const schema = validation && { schema: validation };
  const shared = { subresources, additionalPrinterColumns, selectableFields };
  const only = { name: version ?? "", served: true, storage: true };
  return {
    ...rest,
    spec: {
      group,
      names,
      scope,
      versions: (versions?.length ? versions : [only]).map((each) => {
        const { additionalPrinterColumns: columns, ...own } = { ...each, ...given(shared) };
        const printed = columns?.map(({ JSONPath: jsonPath, ...column }) => ({
          ...column,
          jsonPath,
        }));
        return { ...own, ...schema, ...(printed && { additionalPrinterColumns: printed }) };
      }),
      ...(conversion && { conversion: conversionOf(conversion) }),
      ...(preserveUnknownFields && { preserveUnknownFields }),
    },
  };
}

function conversionOf({
  strategy,
  webhookClientConfig: clientConfig,
  conversionReviewVersions,
}: Conversion) {
  if (clientConfig === undefined && conversionReviewVersions === undefined) return { strategy };
  const webhook = { clientConfig, conversionReviewVersions: conversionReviewVersions ?? [] };
  return { strategy, webhook: given(webhook) };
}
