/** A schema's FileDescriptorProto, for gRPC reflection. */
export interface DescriptorFile {
  readonly name: string;
  /** Names of the files that it refers to. */
  readonly dependencies: readonly string[];
  /** The file's declarations by full name, without nested ones. */
  readonly symbols: readonly string[];
  /** The descriptor in base64. */
  readonly bytes: string;
}
