import { asOne } from './groups.ts';

asOne('nodes');
