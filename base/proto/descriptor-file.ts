/** A schema's FileDescriptorProto, for gRPC reflection. */
export interface DescriptorFile {
  readonly name: string;
  /** Names of the files that it refers to. */
  readonly dependencies: readonly string[];
  /** What it declares, by whole names; what is nested in these is not listed. */
  readonly symbols: readonly string[];
  /** In base64. */
  readonly bytes: string;
}
