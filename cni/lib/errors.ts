import { CodedError } from "@raft2kube/std/errors.ts";

/** Error codes of CNI spec 1.1.0, "Error"; 100 and above are specific to the plugin. */
const ERROR_NUMBERS = {
  "incompatible-version": 1,
  "unsupported-field": 2,
  "container-unknown": 3,
  "invalid-environment": 4,
  "io-failure": 5,
  "decoding-failure": 6,
  "invalid-config": 7,
  "try-again": 11,
  "not-available": 50,
  "not-available-limited": 51,
  // Specific to the plugins of this package.
  "address-exhausted": 100,
  "address-in-use": 101,
  "check-failed": 102,
  "kernel-refused": 103,
  // 999, as in Go's skel, for errors without a code.
  internal: 999,
  // Errors of the caller, which no conforming plugin returns.
  "plugin-not-found": 1000,
  "plugin-crashed": 1001,
  "plugin-garbage": 1002,
  "plugin-timeout": 1003,
} as const;

export type CniErrorCode = keyof typeof ERROR_NUMBERS | "plugin-error";

/** The error object a plugin prints. */
export type WireError = { cniVersion: string; code: number; msg: string; details?: string };

/** A failed network operation; `number` is the code in the protocol. */
export class CniError extends CodedError {
  readonly number: number;
  readonly details: string | undefined;

  constructor(
    code: CniErrorCode,
    message: string,
    options: { number?: number; details?: string; remedy?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.number = options.number ?? (code === "plugin-error" ? 999 : ERROR_NUMBERS[code]);
    this.details = options.details;
  }

  /** Returns the error object of the protocol. */
  toWire(cniVersion: string): WireError {
    const wire: WireError = { cniVersion, code: this.number, msg: this.message };
    if (this.details) wire.details = this.details;
    return wire;
  }
}

/** Converts a plugin's error object; unknown numbers become `plugin-error` with that number. */
export function fromWire(plugin: string, wire: { code: number; msg: string; details?: string }) {
  const known = Object.entries(ERROR_NUMBERS).find(([, number]) => number === wire.code);
  const code = wire.code < 100 && known ? (known[0] as CniErrorCode) : "plugin-error";
  const details = wire.details ? { details: wire.details } : {};
  const text = wire.details ? `${wire.msg}; ${wire.details}` : wire.msg;
  return new CniError(code, `plugin ${plugin}: ${text}`, { number: wire.code, ...details });
}
