/** A CustomResourceDefinition as the kinds that the API server serves. */
import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import type { Struct } from "@raft2kube/api/schema.ts";
import type { Structural } from "./structural.ts";

/**
 * Converts objects of one kind to another version, in order, as many as it was given. Rejects with
 * an ApiError when the webhook cannot be reached, refuses, or lies.
 */
export type Convert = (
  objects: readonly KubeObject[], apiVersion: string,
) => Promise<readonly KubeObject[]>;

/** The parts of a custom kind that the way of requests does not need. */
export interface Custom {
  /** The definition's name and uid. */
  readonly crd: string;
  readonly uid: string;
  readonly strategy: "None" | "Webhook";
  /** Undefined: the schema is not structural, or there is none. Made when first asked for. */
  readonly schema: Structural | undefined;
  /** How objects of another version become this one's, when the conversion is by webhook. */
  readonly convert: Convert | undefined;
  /** Prunes and coerces what a conversion gave, and restores what it may not change, in place. */
  settle(converted: KubeObject): void;
  /** `spec.replicas` as a path, of the scale subresource; undefined when there is none. */
  readonly replicasPath: readonly string[] | undefined;
}

/** A kind that came later. */
export interface CustomKind extends Omit<Kind, "schema"> {
  readonly schema: Struct;
  readonly custom: Custom;
}

/**
 * One kind for each served version, under the accepted names. Objects are stored in the storage
 * version. Schemas are prepared when they are first needed, and shared by requests.
 */
export function customKinds(
  _crd: CustomResourceDefinition, _convert?: Convert,
): CustomKind[] {
  throw new Error("not written yet");
}
