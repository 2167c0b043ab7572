import { IFNAME_LENGTH, NAME_LENGTH } from "../limits.ts";
import { CniError, type CniErrorCode } from "./errors.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

function requireName(what: string, value: unknown, code: CniErrorCode): string {
  if (typeof value !== "string" || value === "") throw new CniError(code, `${what} is missing`);
  if (!NAME.test(value) || value.length > NAME_LENGTH) {
    throw new CniError(
      code,
      `${what} ${JSON.stringify(value)} is not a name: letters, digits, "_", "." and "-", ` +
        `beginning with a letter or digit, at most ${NAME_LENGTH} characters`,
    );
  }
  return value;
}

/** Validates a network's name (spec section 1), which is part of file names. */
export function requireNetworkName(value: unknown): string {
  return requireName("network name", value, "invalid-config");
}

/**
 * Validates a plugin's `type`: a file name. A path out of the plugin directory is rejected
 * (CVE-2021-20206: `type: "../../usr/bin/reboot"`).
 */
export function requirePluginType(value: unknown): string {
  return requireName("plugin type", value, "invalid-config");
}

/** Validates CNI_CONTAINERID (spec section 2). */
export function requireContainerId(value: unknown): string {
  return requireName("CNI_CONTAINERID", value, "invalid-environment");
}

/** Validates CNI_IFNAME as the kernel's dev_valid_name does. */
export function requireIfName(value: unknown): string {
  const bad = (why: string) =>
    new CniError("invalid-environment", `CNI_IFNAME ${JSON.stringify(value)} ${why}`);
  if (typeof value !== "string" || value === "") throw bad("is missing");
  if (value.length > IFNAME_LENGTH) throw bad(`is longer than ${IFNAME_LENGTH} characters`);
  if (value === "." || value === ".." || /[/:\s]/.test(value)) {
    throw bad('may not be "." or "..", nor hold "/", ":" or spaces');
  }
  return value;
}
