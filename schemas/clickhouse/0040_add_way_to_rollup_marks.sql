ALTER TABLE rollup_marks
    ADD COLUMN IF NOT EXISTS way UInt16 COMMENT 'Of counted: in which way it was counted. A program that counts in another way counts everything anew, once.' AFTER until
