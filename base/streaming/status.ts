/** How a command ended, or why it did not run. */
export type Outcome = { exitCode: number } | { error: string };

/**
 * The `metav1.Status` that remote command protocols 4 and 5 end with, on their error stream. A
 * client reads the exit code of a failed command from the cause `ExitCode`.
 */
export function outcomeStatus(outcome: Outcome): string {
  if ("error" in outcome) {
    return JSON.stringify({
      metadata: {},
      status: "Failure",
      message: outcome.error,
      reason: "InternalError",
      details: { causes: [{ message: outcome.error }] },
      code: 500,
    });
  }
  const { exitCode } = outcome;
  if (exitCode === 0) return JSON.stringify({ metadata: {}, status: "Success" });
  return JSON.stringify({
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(exitCode) }] },
  });
}

/** The error stream of protocols before 4: text after a failure, else nothing. */
export function outcomeText(outcome: Outcome): string {
  if ("error" in outcome) return outcome.error;
  if (outcome.exitCode === 0) return "";
  return `error executing command in container: exit status ${outcome.exitCode}`;
}
