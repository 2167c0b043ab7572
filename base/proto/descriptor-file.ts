/** A schema's FileDescriptorProto, for gRPC reflection. */
export interface DescriptorFile {
  readonly name: string;
  /** Names of the files that it refers to. */
  readonly dependencies: readonly string[];
  /** Its declarations by full name, without nested ones. */
  readonly symbols: readonly string[];
  /** In base64. */
  readonly bytes: string;
}
