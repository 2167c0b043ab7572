// The program named `dashboard` in the image of `r2k image dashboard`.
import { command } from "./parts/dashboard.ts";
import { runProgram } from "./terminal.ts";

runProgram(command().parseAsync(process.argv));
