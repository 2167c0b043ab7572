import { type FieldError, forbidden, invalid, notSupported, required } from "../../../errors.ts";
import type { Lifecycle, LifecycleHandler, Probe } from "../../../gen/core/v1.ts";
import type { IntOrString } from "../../../scalars.ts";
import { invalidBy } from "../../../validation/checks.ts";
import { nonNegative } from "../../../validation/metadata.ts";
import { httpHeaderName, portName, portNumber } from "../../../validation/names.ts";

/** All that a probe or a hook may do, of which it does one. */
type Handler = LifecycleHandler & Pick<Probe, "grpc">;

const HANDLERS = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const;

function validatePort(port: IntOrString | undefined, path: string): FieldError[] {
  const complaints = typeof port === "string" ? portName(port) : portNumber(port ?? 0);
  return complaints.map((each) => invalid(path, port ?? 0, each));
}

function validateHttpGet(http: NonNullable<Handler["httpGet"]>, path: string): FieldError[] {
  const errors = (http.path ?? "") === "" ? [required(`${path}.path`)] : [];
  errors.push(...validatePort(http.port, `${path}.port`));
  if (http.scheme !== "HTTP" && http.scheme !== "HTTPS") {
    errors.push(notSupported(`${path}.scheme`, http.scheme ?? "", ["HTTP", "HTTPS"]));
  }
  for (const { name } of http.httpHeaders ?? []) {
    errors.push(...invalidBy(httpHeaderName, `${path}.httpHeaders`, name));
  }
  return errors;
}

function validateOne(
  handler: Handler,
  name: (typeof HANDLERS)[number],
  path: string,
  grace_s: number,
): FieldError[] {
  switch (name) {
    case "exec":
      return (handler.exec?.command ?? []).length === 0 ? [required(`${path}.command`)] : [];
    case "httpGet":
      return validateHttpGet(handler.httpGet!, path);
    case "tcpSocket":
      return validatePort(handler.tcpSocket?.port, `${path}.port`);
    case "grpc":
      return validatePort(handler.grpc?.port, `${path}.port`);
    case "sleep": {
      const seconds = handler.sleep?.seconds ?? 0;
      if (seconds >= 0 && seconds <= grace_s) return [];
      const rule = `must be non-negative and less than terminationGracePeriodSeconds (${grace_s})`;
      return [invalid(path, seconds, rule)];
    }
  }
}

function validateHandler(handler: Handler, path: string, grace_s: number): FieldError[] {
  const given = HANDLERS.filter((name) => handler[name] !== undefined);
  const first = given[0];
  if (first === undefined) return [required(path, "must specify a handler type")];
  return [
    ...validateOne(handler, first, `${path}.${first}`, grace_s),
    ...given
      .slice(1)
      .map((name) => forbidden(`${path}.${name}`, "may not specify more than 1 handler type")),
  ];
}

const COUNTS = [
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
] as const;

/** A probe; liveness and startup have a success threshold of 1, readiness has no grace period. */
export function validateProbe(
  probe: Probe | undefined,
  kind: "liveness" | "readiness" | "startup",
  path: string,
  grace_s: number,
): FieldError[] {
  if (probe === undefined) return [];
  const errors = validateHandler(probe, path, grace_s);
  for (const name of COUNTS) errors.push(...nonNegative(`${path}.${name}`, probe[name]));
  const grace = probe.terminationGracePeriodSeconds;
  const gracePath = `${path}.terminationGracePeriodSeconds`;
  if (grace !== undefined && grace <= 0) {
    errors.push(invalid(gracePath, grace, "must be greater than 0"));
  }
  if (kind === "readiness" && grace !== undefined) {
    errors.push(invalid(gracePath, grace, "must not be set for readinessProbes"));
  }
  if (kind !== "readiness" && probe.successThreshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold ?? 0, "must be 1"));
  }
  return errors;
}

/** The hooks of a container. */
export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  path: string,
  grace_s: number,
): FieldError[] {
  return (["postStart", "preStop"] as const).flatMap((name) => {
    const handler = lifecycle?.[name];
    return handler === undefined ? [] : validateHandler(handler, `${path}.${name}`, grace_s);
  });
}
