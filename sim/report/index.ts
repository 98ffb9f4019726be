// The door of reports: a run that failed, for people. Data in, text out; who prints it or writes it to a file is elsewhere.
export { callsOf, type FailingPart, failingPartOf } from './calls.ts';
export { type ReportData, type ReportedRun, type ReportSource, reportData } from './data.ts';
export { type TraceLine, traceLine } from './event.ts';
export { type ExamineOptions, examine } from './examine.ts';
export { htmlReport } from './html.ts';
export { describeMessage, type Spoken } from './message.ts';
export { textReport, visible } from './text.ts';
