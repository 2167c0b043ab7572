import { goJson } from "@raft2kube/std/go-json.ts";
/** An object of a manifest, before the API has seen it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

/** The field manager of `kubectl apply` without `--server-side`. */
export const APPLY_MANAGER = "kubectl-client-side-apply";

/**
 * The object as `kubectl apply` creates it, with the note from which a later apply sees what was
 * taken out of the file. The note is upstream's to the byte (Go's JSON with sorted keys), so that
 * applying the same file again changes nothing. `namespace` is undefined for cluster-wide objects.
 */
export function withLastApplied(manifest: Manifest, namespace: string | undefined): Manifest {
  const annotations = manifest.metadata.annotations ?? {};
  const metadata = {
    ...manifest.metadata,
    annotations,
    ...(namespace === undefined ? {} : { namespace }),
  };
  const note = `${goJson({ ...manifest, metadata })}\n`;
  return {
    ...manifest,
    metadata: { ...metadata, annotations: { ...annotations, [ANNOTATION]: note } },
  };
}
