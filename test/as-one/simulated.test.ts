import { asOne } from './groups.ts';

asOne('simulated');
