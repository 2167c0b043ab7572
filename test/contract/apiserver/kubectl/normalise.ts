import { Names } from "../transcripts/normalise.ts";

/** How far from now a day may be to count as one that the server wrote. */
const RECENT_MS = 3 * 24 * 3600 * 1000;

/** A time as describe shows it: `Fri, 20 Nov 2026 16:56:01 +0000`, or Go's own form. */
const DAY =
  /\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000(?= UTC)/g;
/** A duration as tables show it; a quantity such as 100m is none. */
const AGE = /(?<=^|\s)(?:<invalid>|\d{1,2}s|\d{1,2}m(?:\d{1,2}s)?|\d+d|\d+y(?:\d+d)?)(?= |\)|$)/gm;
/** A log line of kubectl's own library: its level, time and place. */
const LOGGED = /^[IWEF]\d{4} [\d:.]+ +\d+ ([\w.-]+:\d+)\] /gm;
/** Notes that it had to wait for its turn, or for a busy machine. */
const OF_TIME = /^.*(?:Waited for|Throttling request).*\n/gm;
/** Our warning about a write of a kind that no controller acts on (docs/DIVERGENCE.md). */
const STORED_ONLY = /^Warning: \w+ is stored, but .*\n/gm;
/** Why a value is none of its field's type: upstream's has another wording for each decoder. */
const MISTYPED = /(?<="DOCUMENT": )(?:unrecognized type: |json: cannot unmarshal .* of type )/g;
/** Our note about a retired version, which upstream's refusal has not. */
const RETIRED = /: \w+ of [\w./]+ ended in Kubernetes 1\.\d+.*$/gm;

/** Returns the output of a command of a script without the parts that differ from run to run. */
export function normalised(text: string, ns: string): string {
  return new Names()
    .text(text)
    .replace(/\buid\d+\b/g, "UID")
    .replace(DAY, (day) => (Math.abs(Date.parse(day) - Date.now()) > RECENT_MS ? day : "DAY"))
    .replace(/\b10\.96\.\d+\.\d+\b/g, "CLUSTERIP")
    .replace(OF_TIME, "")
    .replace(MISTYPED, "MISTYPED ")
    .replace(LOGGED, "LOG $1 ")
    .replace(STORED_ONLY, "")
    .replace(RETIRED, "")
    .replace(/127\.0\.0\.1:\d+/g, "SERVER")
    .replace(/(resourceVersion"?: ?)"\d+"/g, '$1"RV"')
    .replace(/(\/[\w-]+)+\/r2k-kubectl-\w+/g, "HOME")
    .replaceAll("HOME/tmp/", "/tmp/")
    .replace(/\/tmp\/(LIVE|MERGED|kubectl-edit|\w+-edit)-\d+/g, "/tmp/$1-N")
    .replace(/^([-+]{3} [^\t\n]+)\t.*$/gm, "$1")
    .replace(/(\b\d+:|[nN]ode[pP]ort"?: *(?:\S+ )?)3\d{4}\b/g, "$1NODEPORT")
    .replace(AGE, "AGE")
    .replace(/(\S) {3,}/g, "$1   ")
    .replace(/ +$/gm, "")
    .replaceAll(ns, "NAMESPACE");
}
