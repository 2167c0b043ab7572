import { CodedError } from "@raft2kube/std/errors.ts";

export type VolumeErrorCode =
  | "NotFound"
  | "NotBound"
  | "NotAttached"
  | "NotSupported"
  | "InvalidPath"
  | "TooLarge"
  | "MountFailed"
  | "StillMounted";

/** A volume cannot be set up or torn down; the message goes into the FailedMount event. */
export class VolumeError extends CodedError {
  declare readonly code: VolumeErrorCode;

  constructor(
    code: VolumeErrorCode,
    message: string,
    options: { remedy?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}
